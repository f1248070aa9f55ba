// Where on this machine a store would be better off. Advice names only what is there: a machine
// without persistent memory is not told to mount some.

extension Examination {
    /// Persistent memory that is not the place itself, the nearest to use first; nil when the
    /// machine has none.
    var memoryElsewhere: String? {
        for mount in MountEntry.all(root) where Self.hasDAX(mount.fileSystem) {
            guard mount.mountPoint != facts.mount?.mountPoint,
                let block = BlockDevice.find(mount: mount, root: root),
                block.ordinaryLeaves.isEmpty, isGood(block.pmemDevices)
            else { continue }
            return doctor(mount.mountPoint, "\(block.name) is persistent memory and mounted there")
        }
        for name in root.list("/sys/class/block") where facts.block?.wholeName != name {
            let block = BlockDevice.find(directory: "/sys/class/block/" + name, root: root)
            guard let device = block?.pmem, device.name == name, device.mode == "fsdax",
                isGood([device])
            else { continue }
            return doctor("/dev/" + name, "persistent memory that is not mounted")
        }
        for name in root.list("/sys/bus/dax/devices") where facts.devices.first?.name != name {
            let device = PmemDevice(
                name: name, directory: root.resolve("/sys/bus/dax/devices/" + name),
                isCharacterDevice: true, root: root)
            guard !device.isSystemRAM, !device.isDisabled, isGood([device]) else { continue }
            return doctor("/dev/" + name, "device DAX on persistent memory")
        }
        return nil
    }

    /// Persistent memory, or else a disk that keeps what is written.
    var betterPlace: String? { memoryElsewhere ?? diskElsewhere }

    private var diskElsewhere: String? {
        let disks = MountEntry.all(root).filter {
            ["ext4", "xfs", "btrfs"].contains($0.fileSystem) && $0.options.contains("rw")
                && !$0.mountPoint.hasPrefix("/boot") && $0.mountPoint != facts.mount?.mountPoint
        }
        // A file can be mounted, too; only a directory has entries.
        let best = disks.sorted { $0.mountPoint.count < $1.mountPoint.count }
            .first { !root.list($0.mountPoint).isEmpty && $0.permanence(root) == .lasting }
        return best.map { doctor($0.mountPoint, "\($0.fileSystem) on \($0.source)") }
    }

    private func isGood(_ devices: [PmemDevice]) -> Bool {
        !devices.isEmpty && devices.allSatisfy { $0.backing == .nvdimm }
    }

    private func doctor(_ path: String, _ comment: String) -> String {
        "pmemkv doctor \(path.shellWord)  # \(comment)"
    }

    /// Whether the files of a file system can be DAX.
    static func hasDAX(_ fileSystem: String?) -> Bool {
        fileSystem == "ext4" || fileSystem == "xfs"
    }
}
