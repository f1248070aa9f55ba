// Findings about the path itself: what it is, whether a store is refused there, its file system,
// and whether the file is DAX.

extension Examination {
    func placeFindings() -> [PlaceReport.Finding] {
        var findings = [place()]
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
                remedy: "pmemkv create \(facts.path.withSlash)store.pool --size 1GiB",
                values: values)
        }
        if let refusal = facts.refusal {
            values["refused"] = .flag(true)
            return PlaceReport.Finding(
                id: "place", severity: .problem,
                what: "a store is refused here: "
                    + refusal.reason,
                why: refusalReason, remedy: mountedRemedy ?? refusal.remedy, values: values)
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
            remedy: facts.kind == .missing ? "pmemkv create \(facts.path) --size 1GiB" : nil,
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

    /// A block device that is mounted has a place for a store already.
    private var mountedRemedy: String? {
        guard facts.kind == .blockDevice else { return nil }
        let text = root.text("/proc/self/mountinfo") ?? ""
        let mounts = text.split(separator: "\n").compactMap(MountEntry.init(line:))
        if let device = facts.status?.specialDevice,
            let mount = mounts.first(where: { $0.device == device.description })
        {
            return "pmemkv doctor \(mount.mountPoint)  # where it is mounted"
        }
        return nil
    }

    private func fileSystem() -> PlaceReport.Finding? {
        guard let status = facts.status, facts.kind != .devdax, facts.kind != .blockDevice,
            facts.isWorthExamining
        else { return nil }
        let name = facts.fileSystem ?? "an unknown file system"
        let place = facts.mount.map { " mounted at \($0.mountPoint) from \($0.source)" } ?? ""
        var finding = PlaceReport.Finding(
            id: "file-system", severity: .ok, what: "the file system is \(name)\(place)",
            why: "ext4 and XFS can map persistent memory directly; others cannot",
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
            finding.severity = .warning
            finding.what += ", read-only"
            finding.why = "a store here can be opened for reading only"
            finding.remedy = facts.mount.map { "mount -o remount,rw \($0.mountPoint)" }
        } else if facts.isMemoryFileSystem {
            finding.severity = .warning
            finding.why = "its files are gone when the machine stops; good for tests only"
            finding.remedy = "mount -o dax=always /dev/pmemN DIRECTORY  # and put the store there"
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
            return PlaceReport.Finding(
                id: "dax", severity: .note, what: "whether \(subject) is DAX is not known",
                why: "the kernel says so since 5.8; before, only MAP_SYNC shows it",
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
            return (
                .note,
                "mount -o dax=always /dev/pmemN DIRECTORY  # and put the store there"
            )
        }
        if let leaves = facts.block?.ordinaryLeaves, !leaves.isEmpty {
            let names = leaves.joined(separator: ", ")
            return (.warning, "take the ordinary members out of \(blockPath): \(names)")
        }
        if let device = facts.devices.first(where: { $0.mode == "raw" || $0.mode == "sector" }) {
            return (
                .warning,
                "ndctl create-namespace -f -e \(device.namespace ?? "namespaceX.Y") -m fsdax"
                    + "  # \(device.name) is in \(device.mode ?? "") mode; this erases it"
            )
        }
        if let bytes = facts.status?.blockBytes, bytes != 4096 {
            return (
                .warning,
                "mkfs.ext4 -b 4096 \(blockPath)"
                    + "  # DAX needs blocks of a page, these are \(bytes) bytes; this erases it"
            )
        }
        let remount =
            facts.mount.map {
                "umount \($0.mountPoint) && mount -o dax=always \(blockPath) \($0.mountPoint)"
            } ?? "mount the file system with -o dax=always"
        if facts.mount?.daxOption == "always" || facts.mount?.daxOption == "never" {
            return (.warning, remount + "  # dmesg says why a file system refuses DAX")
        }
        let inherit = "xfs_io -c 'chattr +x' \(directory)"
        return (
            .warning,
            "\(remount)  # or, for files made from now on: \(inherit)"
                + (isNew ? "" : ", then copy the store to a new file")
        )
    }
}

extension PlaceReport.Value {
    static func optional(_ text: String?) -> Self { text.map(Self.text) ?? .unknown }
    static func optional(_ number: Int?) -> Self { number.map(Self.number) ?? .unknown }
    static func optional(_ flag: Bool?) -> Self { flag.map(Self.flag) ?? .unknown }
}
