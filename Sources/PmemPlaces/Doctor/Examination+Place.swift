// Findings about the path itself: what it is, whether a store is refused there, its file system,
// and whether the file is DAX.

extension Examination {
    func placeFindings() -> [PlaceReport.Finding] {
        var findings = [place()]
        if facts.isWorthExamining, let finding = access() { findings.append(finding) }
        if let finding = fileSystem() { findings.append(finding) }
        if let finding = dax() { findings.append(finding) }
        return findings
    }

    private func place() -> PlaceReport.Finding {
        var values: [String: PlaceReport.Value] = [
            "kind": .text(facts.kind.rawValue), "refused": .flag(false),
        ]
        if facts.isDirectory, !facts.isKernelInterface {
            return PlaceReport.Finding(
                id: "place", severity: .ok,
                what: "\(facts.path) is a "
                    + (facts.kind == .mountPoint ? "mount point" : "directory")
                    + "; the findings hold for a new file in it",
                why: "a store is one file",
                remedy: creation(of: freeName),
                values: values)
        }
        if let refusal = facts.refusal {
            values["refused"] = .flag(true)
            return PlaceReport.Finding(
                id: "place", severity: .problem,
                what: "a store is refused here: "
                    + refusal.reason,
                why: refusalReason, remedy: mountedRemedy ?? elsewhereRemedy ?? refusal.remedy,
                values: values)
        }
        let what =
            switch facts.kind {
            case .regularFile: "\(facts.path) is a file"
            case .devdax: "\(facts.path) is a device-DAX device, mapped as a whole"
            default: "\(facts.path) does not exist; the findings hold for a new file"
            }
        return PlaceReport.Finding(
            id: "place", severity: .ok, what: what,
            why: "a store can be one file or one device-DAX device",
            remedy: facts.kind == .missing ? creation(of: facts.path) : nil,
            values: values)
    }

    private var refusalReason: String {
        switch facts.kind {
        case .devdax where facts.devices.contains { $0.isDisabled || $0.isSystemRAM }:
            "the device cannot be mapped in this state"
        case .devdax:
            "libpmem takes every device-DAX device for persistent; acknowledged writes on this "
                + "one would be lost"
        case .blockDevice: "only a file system with DAX or a device-DAX device maps the memory"
        default: "a store is a file or a device-DAX device"
        }
    }

    /// A block device that is mounted, or part of one that is, has a place for a store already.
    private var mountedRemedy: String? {
        guard facts.kind == .blockDevice, let block = facts.block else { return nil }
        for mount in MountEntry.all(root) {
            guard let below = BlockDevice.find(mount: mount, root: root) else { continue }
            let comment =
                if below.name == block.name {
                    "where it is mounted"
                } else if below.wholeName == block.name || below.isMade(of: block.name) {
                    "where \(below.mapperName ?? below.name), which is made of it, is mounted"
                } else {
                    ""
                }
            if !comment.isEmpty {
                return "pmemkv doctor \(mount.mountPoint.shellWord)  # \(comment)"
            }
        }
        return nil
    }

    /// Nothing makes volatile memory a place for a store; something else may be one.
    private var elsewhereRemedy: String? {
        let isHopeless = facts.isVolatile && (facts.kind == .devdax || facts.kind == .blockDevice)
        return isHopeless || facts.isKernelInterface ? betterPlace : nil
    }

    private func fileSystem() -> PlaceReport.Finding? {
        guard let status = facts.status, facts.kind != .devdax, facts.kind != .blockDevice,
            facts.isWorthExamining
        else { return nil }
        let name = facts.fileSystem ?? "an unknown file system"
        let free = status.freeBytes.map { ", \(Self.amount($0)) free" } ?? ""
        let place = facts.mount.map { " mounted at \($0.mountPoint) from \($0.source)" } ?? ""
        var finding = PlaceReport.Finding(
            id: "file-system", severity: .ok, what: "the file system is \(name)\(place)\(free)",
            why: facts.devices.isEmpty
                ? "it maps persistent memory directly where there is some below; here is none"
                : "it maps persistent memory directly",
            values: [
                "type": .optional(facts.fileSystem),
                "mount-point": .optional(facts.mount?.mountPoint),
                "source": .optional(facts.mount?.source),
                "dax-option": .optional(facts.mount?.daxOption),
                "block-bytes": .optional(status.blockBytes),
                "free-bytes": .optional(status.freeBytes),
                "read-only": .optional(status.isReadOnly),
            ])
        if status.isReadOnly == true {
            let isNew = facts.kind != .regularFile
            finding.severity = isNew ? .problem : .warning
            finding.what += ", read-only"
            finding.why =
                isNew
                ? "a store cannot be created here" : "a store here can be opened for reading only"
            finding.remedy = facts.mount.map {
                "mount -o remount,rw \($0.mountPoint.shellWord)"
            }
        } else if facts.kind != .regularFile, isFull {
            finding.severity = .problem
            finding.why = "a store's blocks are all allocated when it is created: there is no room"
            finding.remedy = facts.mount.map { "df -h \($0.mountPoint.shellWord)  # and make room" }
        } else if facts.isMemoryFileSystem {
            finding.severity = .warning
            finding.why = "its files are gone when the machine stops; good for tests only"
            finding.remedy = betterPlace
        } else if !Self.hasDAX(facts.fileSystem) {
            finding.severity = .note
            finding.why =
                "only ext4 and XFS map persistent memory directly; files here go through the page "
                + "cache"
        }
        return finding
    }

    private func dax() -> PlaceReport.Finding? {
        guard facts.kind != .blockDevice, facts.isWorthExamining else { return nil }
        if facts.kind == .devdax {
            return PlaceReport.Finding(
                id: "dax", severity: .ok, what: "device DAX maps the memory itself",
                why: "stores reach the medium without the page cache; there is no read(2), "
                    + "write(2) or msync(2)", values: ["dax": .flag(true)])
        }
        let isNew = facts.kind != .regularFile
        let isDAX = isNew ? probe.newFileIsDAX : facts.isDAX
        let subject = isNew ? "a new file in \(directory)" : "this file"
        let values: [String: PlaceReport.Value] = ["dax": .optional(isDAX)]
        switch isDAX {
        case true?:
            return PlaceReport.Finding(
                id: "dax", severity: .ok, what: "\(subject) is DAX (statx)",
                why: "stores and loads go to the medium, not to the page cache", values: values)
        case nil:
            let isUntried = if case .untried = probe.synchronous { true } else { false }
            return PlaceReport.Finding(
                id: "dax", severity: .note, what: "whether \(subject) is DAX is not known",
                why: isUntried && isNew
                    ? "only a file that is made here shows it, and none could be made"
                    : "the kernel says so since 5.8; before, only MAP_SYNC shows it",
                values: values)
        case false?:
            if facts.isMemoryFileSystem {
                return PlaceReport.Finding(
                    id: "dax", severity: .note,
                    what: "\(subject) is not DAX: it lives in the page cache",
                    why: "there is no medium below it", values: values)
            }
            let (severity, remedy) = daxAdvice(isNew: isNew)
            return PlaceReport.Finding(
                id: "dax", severity: severity,
                what: "\(subject) is not DAX: it goes through the page cache",
                why: "what is made durable goes to the device in whole pages",
                remedy: remedy, values: values)
        }
    }

    /// Why a file on persistent memory is not DAX, as far as it can be told, and the cure.
    private func daxAdvice(isNew: Bool) -> (PlaceReport.Severity, String?) {
        guard !facts.devices.isEmpty else {
            return (.note, memoryElsewhere)
        }
        if let leaves = facts.block?.ordinaryLeaves, !leaves.isEmpty {
            let names = leaves.joined(separator: ", ")
            return (.warning, "take the ordinary members out of \(blockPath): \(names)")
        }
        if let device = facts.devices.first(where: { $0.mode == "raw" || $0.mode == "sector" }) {
            return (
                .warning,
                device.recreate("-m fsdax")
                    + "  # \(device.name) is in \(device.mode ?? "") mode; this erases it"
            )
        }
        guard Self.hasDAX(facts.fileSystem) else {
            return (.warning, "mkfs.ext4 -b 4096 \(blockPath.shellWord)  # this erases it")
        }
        if let bytes = facts.status?.blockBytes, bytes != 4096 {
            let make = facts.fileSystem == "xfs" ? "mkfs.xfs -f -b size=4096" : "mkfs.ext4 -b 4096"
            return (
                .warning,
                "\(make) \(blockPath.shellWord)"
                    + "  # DAX needs blocks of a page, these are \(bytes) bytes; this erases it"
            )
        }
        let remount = facts.mount.map(remount) ?? "mount the file system with -o dax=always"
        if facts.mount?.daxOption == "always" || facts.mount?.daxOption == "never" {
            return (.warning, remount + "  # dmesg says why a file system refuses DAX")
        }
        let inherit = "xfs_io -c 'chattr +x' \(directory.shellWord)"
        return (
            .warning,
            "\(remount)  # or, for files made from now on: \(inherit)"
                + (isNew ? "" : ", then copy the store to a new file")
        )
    }
}

extension Examination {
    private func remount(_ mount: MountEntry) -> String {
        if mount.mountPoint == "/" { return "put dax=always into the options of / in /etc/fstab" }
        let point = mount.mountPoint.shellWord
        return "umount \(point) && mount -o dax=always \(blockPath.shellWord) \(point)"
    }
}

extension PlaceReport.Value {
    static func optional(_ text: String?) -> Self { text.map(Self.text) ?? .unknown }
    static func optional(_ number: Int?) -> Self { number.map(Self.number) ?? .unknown }
    static func optional(_ flag: Bool?) -> Self { flag.map(Self.flag) ?? .unknown }
}
