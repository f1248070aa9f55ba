// What the system calls say about one path: the only facts about a place that do not come from
// sysfs or procfs. Tests make values of this type up; `of(_:)` asks the kernel.

import CPmem
import SystemPackage

/// The result of statx(2) and statfs(2) for a path, links followed.
package struct PathStatus: Sendable, Equatable {
    /// What st_mode says the path is.
    package enum FileType: String, Sendable {
        case regular, directory, block, character, other
    }

    /// A device number.
    package struct Device: Sendable, Hashable, CustomStringConvertible {
        package var major: UInt32
        package var minor: UInt32

        package init(_ major: UInt32, _ minor: UInt32) {
            self.major = major
            self.minor = minor
        }

        package var description: String { "\(major):\(minor)" }
    }

    /// The path with links followed.
    package var resolvedPath: String
    package var type: FileType
    /// Size in bytes.
    package var size: Int
    /// The device the file lies on.
    package var device: Device
    /// The device a device node stands for.
    package var specialDevice: Device
    /// STATX_ATTR_DAX of this very file; nil when the kernel does not say (before 5.8, or the
    /// file system cannot do DAX at all).
    package var isDAX: Bool?
    /// The mount's identifier in mountinfo; nil before Linux 5.8.
    package var mountID: Int?
    package var isMountRoot: Bool?
    /// statfs(2): the magic number of the file system.
    package var fileSystemMagic: UInt64?
    /// statfs(2): the block size of the file system.
    package var blockBytes: Int?
    /// statfs(2): bytes an unprivileged user may still allocate.
    package var freeBytes: Int?
    package var isReadOnly: Bool?
    /// The user who owns it.
    package var owner: UInt32?
    package var mayRead: Bool?
    /// Whether this process may write it; of a directory, make files in it.
    package var mayWrite: Bool?

    package init(
        resolvedPath: String, type: FileType, size: Int = 0, device: Device = Device(0, 0),
        specialDevice: Device = Device(0, 0), isDAX: Bool? = nil, mountID: Int? = nil,
        isMountRoot: Bool? = nil, fileSystemMagic: UInt64? = nil, blockBytes: Int? = nil,
        freeBytes: Int? = nil, isReadOnly: Bool? = nil, owner: UInt32? = nil,
        mayRead: Bool? = nil, mayWrite: Bool? = nil
    ) {
        self.resolvedPath = resolvedPath
        self.type = type
        self.size = size
        self.device = device
        self.specialDevice = specialDevice
        self.isDAX = isDAX
        self.mountID = mountID
        self.isMountRoot = isMountRoot
        self.fileSystemMagic = fileSystemMagic
        self.blockBytes = blockBytes
        self.freeBytes = freeBytes
        self.isReadOnly = isReadOnly
        self.owner = owner
        self.mayRead = mayRead
        self.mayWrite = mayWrite
    }

    /// Asks the kernel about a path. The error is that of statx(2).
    package static func of(_ path: String) throws(Errno) -> PathStatus {
        try unsafe path.withCString { unsafe ask(about: $0) }.get()
    }

    /// The same for a path that need not be text.
    package static func of(_ path: FilePath) throws(Errno) -> PathStatus {
        try unsafe path.withPlatformString { unsafe ask(about: $0) }.get()
    }

    private static func ask(about path: UnsafePointer<CChar>) -> Result<PathStatus, Errno> {
        var stat = cpmem_place_stat()
        let failure = unsafe cpmem_place_stat(path, &stat)
        guard failure == 0 else { return .failure(Errno(rawValue: failure)) }
        let given = unsafe FilePath(platformString: path)
        var status = PathStatus(
            resolvedPath: (given.resolvingLinks() ?? given).shown,
            type: FileType(mode: stat.mode),
            size: Int(clamping: stat.size),
            device: Device(stat.device_major, stat.device_minor),
            specialDevice: Device(stat.special_major, stat.special_minor),
            isDAX: stat.knows_dax != 0 ? stat.is_dax != 0 : nil,
            mountID: stat.has_mount_id != 0 ? Int(clamping: stat.mount_id) : nil,
            isMountRoot: stat.knows_mount_root != 0 ? stat.is_mount_root != 0 : nil,
            owner: stat.owner, mayRead: stat.may_read != 0, mayWrite: stat.may_write != 0)
        var fileSystem = cpmem_place_fs()
        if unsafe cpmem_place_fs(path, &fileSystem) == 0 {
            status.fileSystemMagic = fileSystem.magic
            status.blockBytes = Int(clamping: fileSystem.block_size)
            status.freeBytes = Int(clamping: fileSystem.free_bytes)
            status.isReadOnly = fileSystem.is_read_only != 0
        }
        return .success(status)
    }
}

extension PathStatus.FileType {
    /// - Parameter mode: st_mode; its type bits are the same on every Linux.
    init(mode: UInt32) {
        switch mode & 0o170000 {
        case 0o100000: self = .regular
        case 0o040000: self = .directory
        case 0o060000: self = .block
        case 0o020000: self = .character
        default: self = .other
        }
    }
}
