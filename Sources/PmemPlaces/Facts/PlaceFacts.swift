// What a path is for a store: its kind, its file system, the memory below it, and whether a store
// may be put there at all. Opening asks for the refusal; the doctor explains the rest.
//
// Invariants: inspecting changes nothing and never throws. What cannot be read is nil, and a
// devdax about which too little is known to call it persistent is refused.

import SystemPackage

/// The facts about one path.
public struct PlaceFacts: Sendable, Equatable {
    /// What a path is.
    public enum Kind: String, Sendable {
        case regularFile = "file"
        case directory
        case mountPoint = "mount-point"
        case blockDevice = "block-device"
        /// A device-DAX character device, or one that would be there if it had a node.
        case devdax
        /// Nothing is there; the facts are those of the parent directory.
        case missing
        case other
    }

    /// Why a store cannot be put or opened here, and what to do instead.
    public struct Refusal: Error, Equatable {
        public var reason: String
        public var remedy: String
    }

    /// The path as it was given, for messages.
    package let path: String
    /// The path for the kernel.
    let location: FilePath
    public var kind = Kind.missing
    /// What the system says about the path, or about its parent when the path is missing; nil
    /// when that is missing, too.
    package var status: PathStatus?
    /// Why the path could not be looked at.
    package var failure: Errno?
    /// Where the path points, when it is a symbolic link to nothing.
    package var linkTarget: String?
    /// The last part of a path that can be looked at, when what follows it cannot.
    package var lastSeen: String?
    /// The device-DAX devices of this machine, when a device is missing.
    package var daxDevices: [String] = []
    package var mount: MountEntry?
    /// `ext4`, `xfs`, `tmpfs`, ...; nil for devices.
    public var fileSystem: String?
    /// The block device below the file system, or the path itself when it is one.
    package var block: BlockDevice?
    /// The memory devices below: one, or several with device-mapper; none on ordinary media.
    package var devices: [PmemDevice] = []
    /// Whether what is written here outlasts the loss of power.
    package var permanence = Permanence.unknown("it was not looked at")

    /// The memory device that holds the bytes in their order: none behind device-mapper.
    public var directDevice: PmemDevice? { kind == .devdax ? devices.first : block?.pmem }

    /// Whether this very file is DAX; for a missing file nil, since only the file itself knows.
    public var isDAX: Bool? {
        switch kind {
        case .regularFile: status?.isDAX
        case .devdax: true
        case .directory, .mountPoint, .blockDevice, .missing, .other: nil
        }
    }

    /// The memory of a tmpfs or ramfs: gone with the machine, whatever is flushed.
    package var isMemoryFileSystem: Bool {
        fileSystem.map(Permanence.memoryFileSystems.contains) ?? false
    }

    /// The files of these file systems are windows into the kernel, not storage.
    package var isKernelInterface: Bool {
        switch fileSystem {
        case "proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "configfs", "securityfs",
            "devpts", "mqueue", "pstore", "bpf", "efivarfs":
            true
        default: false
        }
    }

    /// A directory is no place for a store, but what is known of it holds for a new file in it.
    public var isDirectory: Bool { kind == .directory || kind == .mountPoint }

    /// Nothing written here survives a loss of power.
    package var isVolatile: Bool {
        if case .volatile = permanence { true } else { false }
    }

    /// The members that make stores durable only through fsync or msync.
    package var asynchronousDevices: [PmemDevice] { devices.filter(\.isAsynchronous) }
}

extension PlaceFacts {
    /// Looks at a path.
    public static func inspect(path: String) -> PlaceFacts {
        inspect(path: path, root: SystemRoot())
    }

    /// Looks at a path that need not be text.
    public static func inspect(path: FilePath) -> PlaceFacts {
        // A slash at the end, which FilePath leaves out, is none of this path's.
        PlaceFacts(path.shown, at: path, SystemRoot()) { () throws(Errno) in
            try PathStatus.of(path)
        }
    }

    /// Looks at a path.
    ///
    /// - Parameters:
    ///   - root: where sysfs and procfs are read.
    ///   - status: what the path is, in place of asking the kernel; for made-up trees.
    package static func inspect(
        path: String, root: SystemRoot, status: PathStatus? = nil
    ) -> PlaceFacts {
        PlaceFacts(path, at: FilePath(path), root) { () throws(Errno) in
            if let status { return status }
            return try PathStatus.of(path)
        }
    }

    private init(
        _ path: String, at location: FilePath, _ root: SystemRoot,
        _ status: () throws(Errno) -> PathStatus
    ) {
        self.path = path
        self.location = location
        do throws(Errno) {
            describe(try status(), root)
        } catch {
            failure = error
            describeMissing(error, root)
        }
        permanence = permanence(root)
    }

    private mutating func describe(_ status: PathStatus, _ root: SystemRoot) {
        self.status = status
        switch status.type {
        case .regular, .directory:
            kind = status.type == .regular ? .regularFile : .directory
            describeFileSystem(status, root)
            if kind == .directory,
                status.isMountRoot == true || mount?.mountPoint == status.resolvedPath
            {
                kind = .mountPoint
            }
        case .block:
            kind = .blockDevice
            block = BlockDevice.find(status.specialDevice, root: root)
            devices = block?.pmemDevices ?? []
        case .character:
            describeCharacterDevice(status, root)
        case .other:
            kind = .other
        }
    }

    private mutating func describeFileSystem(_ status: PathStatus, _ root: SystemRoot) {
        mount = MountEntry.find(path: status.resolvedPath, mountID: status.mountID, root: root)
        fileSystem = mount?.fileSystem ?? Self.fileSystemName(magic: status.fileSystemMagic)
        block =
            BlockDevice.find(status.device, root: root)
            ?? mount.flatMap { BlockDevice.find(mount: $0, root: root) }
        devices = block?.pmemDevices ?? []
    }

    private mutating func describeCharacterDevice(_ status: PathStatus, _ root: SystemRoot) {
        let directory = root.resolve("/sys/dev/char/\(status.specialDevice)")
        let name = (directory ?? status.resolvedPath).lastPathComponent
        let subsystem = directory.flatMap { root.linkName($0 + "/subsystem") }
        guard subsystem == "dax" || name.isNumberedPair(after: "dax") else {
            kind = .other
            return
        }
        kind = .devdax
        devices = [
            PmemDevice(name: name, directory: directory, isCharacterDevice: true, root: root)
        ]
    }

    /// A missing device node of a devdax that sysfs knows is still a devdax; any other missing
    /// path is described by its parent directory.
    private mutating func describeMissing(_ error: Errno, _ root: SystemRoot) {
        let name = path.lastPathComponent
        if path.hasPrefix("/dev/"), name.isNumberedPair(after: "dax"),
            let directory = root.resolve("/sys/bus/dax/devices/" + name)
        {
            kind = .devdax
            devices = [
                PmemDevice(name: name, directory: directory, isCharacterDevice: true, root: root)
            ]
            return
        }
        linkTarget = location.linkContent()?.shown
        describeParent(error, root)
        if status == nil {
            // With a slash at its end the path of a file leads nowhere; without, it does.
            let places = [location] + location.ancestors
            lastSeen = places.first { (try? PathStatus.of($0)) != nil }?.shown
        }
    }

    private mutating func describeParent(_ error: Errno, _ root: SystemRoot) {
        guard error == .noSuchFileOrDirectory,
            let parent = try? PathStatus.of(location.directory), parent.type == .directory
        else { return }
        status = parent
        describeFileSystem(parent, root)
        if fileSystem == "devtmpfs" {
            daxDevices = root.list("/sys/bus/dax/devices").map { "/dev/" + $0 }
        }
    }

    /// The directory the path is in, or would be in.
    package var parentPath: String { location.directory.shown }

    /// The file system's name by its magic number, for when /proc is not there.
    private static func fileSystemName(magic: UInt64?) -> String? {
        switch magic {
        case 0xEF53: "ext4"
        case 0x5846_5342: "xfs"
        case 0x0102_1994: "tmpfs"
        case 0x8584_58F6: "ramfs"
        case 0x9584_58F6: "hugetlbfs"
        case 0x9123_683E: "btrfs"
        case 0x794C_7630: "overlay"
        case 0x6969: "nfs"
        case 0x6573_5546: "fuse"
        default: nil
        }
    }
}
