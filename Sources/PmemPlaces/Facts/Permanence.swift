// Whether a place keeps what was synchronised when the power goes: the file system, what that lies
// on, and so on down to the devices that keep bytes by themselves.
//
// Invariants:
// - A place is lasting only when every layer down to the bottom was seen and each is known to keep
//   its content. What cannot be followed is unknown, never lasting.
// - Of several layers and members the worst counts: one that forgets takes the others with it.

/// What becomes of the content of a place without power, and why.
package enum Permanence: Sendable, Equatable {
    case lasting
    /// It cannot be told.
    case unknown(String)
    case volatile(String)

    /// File systems whose files are memory. `rootfs` is what the kernel calls the initramfs.
    static let memoryFileSystems: Set = ["tmpfs", "ramfs", "rootfs", "hugetlbfs", "devtmpfs"]

    /// What this says of something that lies above.
    fileprivate func below(_ layer: String) -> Permanence {
        switch self {
        case .lasting: self
        case .unknown(let reason): .unknown("below \(layer): \(reason)")
        case .volatile(let reason): .volatile("below \(layer): \(reason)")
        }
    }

    fileprivate static func worst(_ all: [Permanence]) -> Permanence {
        all.first { if case .volatile = $0 { true } else { false } }
            ?? all.first { $0 != .lasting } ?? .lasting
    }
}

extension PlaceFacts {
    /// Follows the place's layers through sysfs and the mount table.
    func permanence(_ root: SystemRoot) -> Permanence {
        let walk = LayerWalk(root: root, depth: 0)
        switch kind {
        case .devdax: return devices.first?.permanence ?? .unknown("sysfs does not know the device")
        case .blockDevice:
            return block.map(walk.permanence) ?? .unknown("sysfs does not know the device")
        case .regularFile, .directory, .mountPoint, .missing:
            return walk.permanence(fileSystem: fileSystem, mount: mount, block: block)
        case .other: return .unknown("it is no place for files")
        }
    }
}

extension MountEntry {
    /// What becomes of files on the mounted file system.
    func permanence(_ root: SystemRoot) -> Permanence {
        LayerWalk(root: root, depth: 0).permanence(
            fileSystem: fileSystem, mount: self, block: BlockDevice.find(mount: self, root: root))
    }
}

extension PmemDevice {
    fileprivate var permanence: Permanence {
        switch backing {
        case .nvdimm, .virtioPmem: .lasting
        case .volatileRegion, .specificPurpose, .cxlVolatile:
            .volatile("\(name) is volatile memory")
        case .legacyE820:
            .unknown("\(name) was declared by e820, which makes DRAM look persistent with memmap=")
        case .unknown: .unknown("sysfs does not say where the memory of \(name) comes from")
        }
    }
}

/// The way from a file system down. A value for each step, so that a circle ends at the limit.
private struct LayerWalk {
    let root: SystemRoot
    let depth: Int

    private var next: LayerWalk { LayerWalk(root: root, depth: depth + 1) }

    func permanence(fileSystem: String?, mount: MountEntry?, block: BlockDevice?) -> Permanence {
        let name = fileSystem ?? "an unknown file system"
        guard depth < BlockDevice.depthLimit else { return .unknown("too many layers") }
        if Permanence.memoryFileSystems.contains(name) {
            return .volatile("\(name) is gone with the machine")
        }
        if name == "overlay", let mount { return permanence(overlay: mount) }
        if let block {
            let devices = [block] + companions(of: block, mount)
            return Permanence.worst(devices.map(permanence) + [barriers(mount, devices)])
        }
        if name.hasPrefix("fuse") || name == "virtiofs" || name == "9p" {
            return .unknown("\(name) hands its files to a program, which says nothing of them")
        }
        let source = mount.map { " (\($0.source))" } ?? ""
        return .unknown("\(name)\(source) cannot be followed to a device of this machine")
    }

    private func permanence(of path: String) -> Permanence? {
        guard let resolved = root.resolve(path) else { return nil }
        let mount = MountEntry.find(
            path: resolved, mountID: root.mountID(of: resolved), root: root)
        return next.permanence(
            fileSystem: mount?.fileSystem, mount: mount,
            block: mount.flatMap { BlockDevice.find(mount: $0, root: root) })
    }

    /// What is written to an overlay goes to its upper directory. That is a path of whoever mounted
    /// it: in a container it mostly leads nowhere, or to another directory of the same name. The
    /// right one changes together with the overlay, and never lies on it.
    private func permanence(overlay: MountEntry) -> Permanence {
        if overlay.options.contains("volatile") || overlay.options.contains("fsync=volatile") {
            return .volatile("this overlay is mounted with 'volatile', which leaves out every sync")
        }
        guard let upper = overlay.option("upperdir") else {
            return .unknown("this overlay has no upper directory")
        }
        let unseen = Permanence.unknown(
            "the upper directory of this overlay, \(upper), cannot be seen from here")
        guard upper.hasPrefix("/"), let resolved = root.resolve(upper),
            MountEntry.find(path: resolved, mountID: root.mountID(of: resolved), root: root)?
                .device != overlay.device, isUpper(resolved, of: overlay)
        else { return unseen }
        return permanence(of: resolved)?.below("overlay (\(upper))") ?? unseen
    }

    /// Whether nothing speaks against a directory being the upper one of an overlay. A writer may
    /// change it between the two looks, so that one difference proves nothing.
    private func isUpper(_ path: String, of overlay: MountEntry) -> Bool {
        guard overlay.directory == "/", root.mountID(of: overlay.mountPoint) == overlay.id else {
            return true
        }
        return (0..<3).contains { _ in
            root.changedTogether(overlay.mountPoint, path) != false
        }
    }

    func permanence(_ block: BlockDevice) -> Permanence {
        guard depth < BlockDevice.depthLimit else { return .unknown("too many layers") }
        guard block.isKnown else { return .unknown("sysfs does not know \(block.name)") }
        if let pmem = block.pmem { return pmem.permanence }
        if !block.members.isEmpty {
            return Permanence.worst(block.members.map(next.permanence)).below(block.name)
        }
        if let file = block.backingFile { return permanence(loop: block, file) }
        let kind = block.wholeName.prefix { !$0.isNumber }
        switch kind {
        case "ram", "zram", "nullb": return .volatile("\(block.name) is a disk in DRAM")
        case "loop": return .unknown("\(block.name) has no file below it")
        case "nbd", "ublkb", "rbd", "drbd":
            return .unknown("\(block.name) is kept by a program or another machine")
        default: return .lasting
        }
    }

    private func permanence(loop: BlockDevice, _ file: String) -> Permanence {
        let layer = "\(loop.name) (\(file))"
        if file.hasSuffix(" (deleted)") {
            return .volatile("the file below \(loop.name) is deleted")
        }
        if let device = BlockDevice.find(source: file, root: root) {
            return next.permanence(device).below(layer)
        }
        return permanence(of: file)?.below(layer)
            ?? .unknown("the file below \(loop.name), \(file), cannot be seen from here")
    }

    /// The further devices of a file system that the mount does not name as its source.
    private func companions(of block: BlockDevice, _ mount: MountEntry?) -> [BlockDevice] {
        var devices = ["logdev", "rtdev"].compactMap { mount?.option($0) }
            .compactMap { BlockDevice.find(source: $0, root: root) }
        guard mount?.fileSystem == "btrfs" else { return devices }
        for directory in root.list("/sys/fs/btrfs").map({ "/sys/fs/btrfs/\($0)/devices" })
        where root.exists(directory + "/" + block.name) {
            devices += root.list(directory).compactMap {
                BlockDevice.find(directory: directory + "/" + $0, root: root)
            }
        }
        return devices
    }

    /// Without barriers a sync ends at the disk's own cache. Memory has none.
    private func barriers(_ mount: MountEntry?, _ devices: [BlockDevice]) -> Permanence {
        guard let mount, mount.options.contains("nobarrier") || mount.option("barrier") == "0",
            devices.contains(where: { !$0.ordinaryLeaves.isEmpty })
        else { return .lasting }
        return .unknown("\(mount.mountPoint) is mounted with nobarrier: a sync leaves disk caches")
    }
}
