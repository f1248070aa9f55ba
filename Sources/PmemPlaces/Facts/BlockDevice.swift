// The block device below a file system, down to its memory devices: partitions, device-mapper and
// md devices are followed through sysfs, however deep they are stacked.

/// A block device and what it is made of.
package struct BlockDevice: Sendable, Equatable {
    /// The kernel's name: `pmem0`, `dm-0`, `nvme0n1p2`.
    package var name: String
    /// The name given to a device-mapper device, as below /dev/mapper.
    package var mapperName: String?
    /// `1` in queue/dax of the device, or of the whole device for a partition.
    package var isDAXCapable: Bool?
    /// Where a partition begins on the whole device, in bytes.
    package var partitionOffsetBytes: Int?
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

    /// Stacks of block devices deeper than this are not followed; the kernel allows fewer.
    private static let depthLimit = 16

    /// The block device with a number; nil when sysfs has none (network and virtual file systems).
    package static func find(_ number: PathStatus.Device, root: SystemRoot) -> BlockDevice? {
        guard let directory = root.resolve("/sys/dev/block/\(number)") else { return nil }
        return BlockDevice(directory: directory, root: root, depth: 0)
    }

    /// The block device a mount names as its source, for file systems whose st_dev is no block
    /// device (btrfs).
    package static func find(source: String, root: SystemRoot) -> BlockDevice? {
        guard source.hasPrefix("/dev/") else { return nil }
        let name = source.lastPathComponent
        if source.hasPrefix("/dev/mapper/") {
            for candidate in root.list("/sys/class/block") where candidate.hasPrefix("dm-") {
                let directory = "/sys/class/block/" + candidate
                if root.value(directory + "/dm/name") == name {
                    return root.resolve(directory).map {
                        BlockDevice(directory: $0, root: root, depth: 0)
                    }
                }
            }
        }
        return root.resolve("/sys/class/block/" + name).map {
            BlockDevice(directory: $0, root: root, depth: 0)
        }
    }

    private init(directory: String, root: SystemRoot, depth: Int) {
        name = directory.lastPathComponent
        members = []
        mapperName = root.value(directory + "/dm/name")
        var whole = directory
        if root.exists(directory + "/partition"), let slash = directory.lastIndex(of: "/") {
            whole = String(directory[..<slash])
            partitionOffsetBytes = root.integer(directory + "/start").map { $0 * 512 }
        }
        isDAXCapable = root.flag(whole + "/queue/dax")
        let wholeName = whole.lastPathComponent
        if Self.isPmemName(wholeName) {
            pmem = PmemDevice(
                name: wholeName, directory: whole, isCharacterDevice: false, root: root)
        }
        guard depth < Self.depthLimit else { return }
        for member in root.list(directory + "/slaves") {
            if let path = root.resolve(directory + "/slaves/" + member) {
                members.append(BlockDevice(directory: path, root: root, depth: depth + 1))
            } else {
                members.append(BlockDevice(unknown: member))
            }
        }
    }

    private init(unknown name: String) {
        self.name = name
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
