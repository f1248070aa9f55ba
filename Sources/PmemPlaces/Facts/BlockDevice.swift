// The block device below a file system, down to its memory devices: partitions, device-mapper and
// md devices are followed through sysfs, however deep they are stacked. The file below a loop
// device is named, not followed: it carries no DAX.

/// A block device and what it is made of.
package struct BlockDevice: Sendable, Equatable {
    /// The kernel's name: `pmem0`, `dm-0`, `nvme0n1p2`.
    package var name: String
    /// The name of the whole device, for a partition.
    package var wholeName: String
    /// Whether sysfs has it.
    package var isKnown = true
    /// The name given to a device-mapper device, as below /dev/mapper.
    package var mapperName: String?
    /// `1` in queue/dax of the device, or of the whole device for a partition.
    package var isDAXCapable: Bool?
    /// Where a partition begins on the whole device, in bytes.
    package var partitionOffsetBytes: Int?
    /// The file or device that a loop device is attached to, as its maker saw it.
    package var backingFile: String?
    /// The devices a device-mapper or md device is made of.
    package var members: [BlockDevice]
    /// Set when this is a memory device.
    package var pmem: PmemDevice?

    /// The memory devices at the bottom, in the order sysfs lists the members.
    package var pmemDevices: [PmemDevice] {
        (pmem.map { [$0] } ?? []) + members.flatMap(\.pmemDevices)
    }

    /// The devices at the bottom that are not memory and therefore cannot do DAX.
    package var ordinaryLeaves: [String] {
        if pmem != nil { return [] }
        return members.isEmpty ? [name] : members.flatMap(\.ordinaryLeaves)
    }

    /// Whether a device is among the members, however deep.
    package func isMade(of name: String) -> Bool {
        members.contains { $0.name == name || $0.wholeName == name || $0.isMade(of: name) }
    }

    /// Stacks of layers deeper than this are not followed, here and from file system to file system
    /// (``Permanence``); the kernel allows fewer.
    static let depthLimit = 16

    /// The block device with a number; nil when sysfs has none (network and virtual file systems).
    package static func find(_ number: PathStatus.Device, root: SystemRoot) -> BlockDevice? {
        find(directory: "/sys/dev/block/\(number)", root: root)
    }

    /// The block device below a mount, for file systems whose st_dev is none (btrfs) too.
    package static func find(mount: MountEntry, root: SystemRoot) -> BlockDevice? {
        find(directory: "/sys/dev/block/" + mount.device, root: root)
            ?? find(source: mount.source, root: root)
    }

    /// The block device with a path below /dev.
    package static func find(source: String, root: SystemRoot) -> BlockDevice? {
        guard source.hasPrefix("/dev/") else { return nil }
        // udev's names are links to the kernel's; those of device-mapper need not be.
        let path = root.resolve(source) ?? source
        let name = path.lastPathComponent
        switch path.dropLast(name.count) {
        case "/dev/": return find(directory: "/sys/class/block/" + name, root: root)
        case "/dev/mapper/":
            return root.list("/sys/class/block").map { "/sys/class/block/" + $0 }
                .first { root.value($0 + "/dm/name") == name }
                .flatMap { find(directory: $0, root: root) }
        default: return nil
        }
    }

    /// The block device that a directory or link of sysfs stands for.
    static func find(directory: String, root: SystemRoot) -> BlockDevice? {
        root.resolve(directory).map { BlockDevice(directory: $0, root: root, depth: 0) }
    }

    private init(directory: String, root: SystemRoot, depth: Int) {
        name = directory.lastPathComponent
        wholeName = name
        members = []
        mapperName = root.value(directory + "/dm/name")
        var whole = directory
        if root.exists(directory + "/partition"), let slash = directory.lastIndex(of: "/") {
            whole = String(directory[..<slash])
            partitionOffsetBytes = root.integer(directory + "/start").map { $0 * 512 }
        }
        isDAXCapable = root.flag(whole + "/queue/dax")
        wholeName = whole.lastPathComponent
        backingFile = root.value(whole + "/loop/backing_file")
        if Self.isPmemName(wholeName) {
            pmem = PmemDevice(
                name: wholeName, directory: whole, isCharacterDevice: false, root: root)
        }
        guard depth < Self.depthLimit else { return }
        for member in root.list(whole + "/slaves") {
            if let path = root.resolve(whole + "/slaves/" + member) {
                members.append(BlockDevice(directory: path, root: root, depth: depth + 1))
            } else {
                members.append(BlockDevice(unknown: member))
            }
        }
    }

    private init(unknown name: String) {
        self.name = name
        wholeName = name
        isKnown = false
        members = []
    }

    /// `pmem0`, `pmem0.1` and, for sector mode, `pmem0s`.
    private static func isPmemName(_ name: String) -> Bool {
        guard name.hasPrefix("pmem") else { return false }
        var rest = name.dropFirst(4)
        if rest.hasSuffix("s") { rest.removeLast() }
        return !rest.isEmpty && rest.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") }
    }
}
