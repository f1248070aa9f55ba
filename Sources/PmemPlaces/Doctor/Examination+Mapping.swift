// Findings about how the memory is mapped: where struct page lives, alignment, and whether the
// file can be and is mapped in 2 MiB entries.

import Glibc

extension Examination {
    func mappingFindings() -> [PlaceReport.Finding] {
        var findings = facts.devices.compactMap(structPage)
        findings += facts.devices.compactMap(alignment)
        if let finding = hugeExtents() { findings.append(finding) }
        if let finding = hugeMappings() { findings.append(finding) }
        return findings
    }

    private func structPage(_ device: PmemDevice) -> PlaceReport.Finding? {
        guard device.region != nil else { return nil }
        var finding = PlaceReport.Finding(
            id: "struct-page", subject: device.name, severity: .ok, what: "", why: "",
            values: ["placement": .optional(device.pageMap), "mode": .optional(device.mode)])
        let mode = device.mode ?? "fsdax"
        let kibibytes = device.sizeBytes.map { $0 / 64 / 1024 }
        let amount = kibibytes.map { $0 < 2048 ? " (\($0) KiB)" : " (\($0 / 1024) MiB)" } ?? ""
        switch device.pageMap {
        case "ram":
            finding.what = "struct page of \(device.name) lives in DRAM (map=mem)"
            finding.why =
                "fastest for page faults and direct I/O; takes 64 bytes of DRAM "
                + "for each 4 KiB\(amount)"
            finding.remedy =
                device.backing == .virtioPmem
                ? nil
                : device.recreate("-m \(mode) -M dev")
                    + "  # to give the DRAM back; erases the namespace"
        case "pmem":
            let isSlow = !kernel.isUsercopyOff && kernel.hasUsercopyBypass == false
            finding.severity = isSlow && device.mode != "devdax" ? .warning : .ok
            finding.what = "struct page of \(device.name) lives on the device (map=dev)"
            finding.why =
                isSlow && device.mode != "devdax"
                ? "this kernel reads it for every read(2) and write(2) (see hardened-usercopy)"
                : "no DRAM is used; page faults, direct I/O and RDMA registration are slower, "
                    + "read(2), write(2) and mapped stores are not"
            finding.remedy =
                device.recreate("-m \(mode) -M mem") + "  # if those matter; erases the namespace"
        default:
            if device.mode == "raw" || device.mode == "sector" {
                finding.severity = .warning
                finding.what =
                    "\(device.name) is in \(device.mode ?? "") mode and has no struct "
                    + "page"
                finding.why =
                    "without it there is no DAX: a file system falls back to the page "
                    + "cache"
                finding.remedy = device.recreate("-m fsdax") + "  # erases the namespace"
            } else {
                finding.severity = .note
                finding.what = "where struct page of \(device.name) lives is not known"
                finding.why = "it decides what page faults and direct I/O cost"
            }
        }
        return finding
    }

    private func alignment(_ device: PmemDevice) -> PlaceReport.Finding? {
        guard let bytes = device.alignmentBytes else { return nil }
        let isSmall = bytes < HugeExtents.pageBytes
        return PlaceReport.Finding(
            id: "alignment", subject: device.name, severity: isSmall ? .warning : .ok,
            what: "\(device.name) is aligned to \(Self.size(bytes))",
            why: isSmall
                ? (device.isCharacterDevice
                    ? "device DAX faults in units of the alignment: 512 faults and TLB entries "
                        + "where one would do"
                    : "the data need not begin on a 2 MiB boundary, which 2 MiB mappings need")
                : "2 MiB mappings are possible: fewer faults, far fewer TLB misses",
            remedy: isSmall
                ? device.recreate("-m \(device.mode ?? "fsdax") -a 2M")
                    + "  # erases the namespace" : nil,
            values: ["bytes": .number(bytes)])
    }

    /// The physical address, modulo 2 MiB, of the byte from which extents count. Nil when the
    /// extents do not count from one memory device, or its place is not known.
    private var extentBase: Int? {
        guard let block = facts.block, block.members.isEmpty, let device = block.pmem else {
            return nil
        }
        let partition = block.partitionOffsetBytes ?? 0
        let huge = HugeExtents.pageBytes
        if let address = device.physicalAddress, address > 0 {
            return (address + partition) % huge
        }
        // The address is shown to root only; with this alignment its remainder is zero anyway.
        if let alignment = device.alignmentBytes, alignment % huge == 0 { return partition % huge }
        return nil
    }

    private func hugeExtents() -> PlaceReport.Finding? {
        guard facts.kind == .regularFile, facts.isDAX == true, let status = facts.status else {
            return nil
        }
        var finding = PlaceReport.Finding(
            id: "huge-extents", severity: .note,
            what: "whether 2 MiB mappings are possible is not known",
            why: "2 MiB entries save faults and TLB misses", values: ["possible": .unknown])
        guard let extents = probe.extents else {
            finding.why = "the file system does not list this file's extents"
            return finding
        }
        let share = HugeExtents.share(extents, size: status.size, base: extentBase ?? 0)
        finding.values = [
            "extents": .number(extents.count), "pieces": .number(share.pieces),
            "possible": .number(share.possible), "hole-bytes": .number(share.holeBytes),
            "unwritten-bytes": .number(share.unwrittenBytes),
            "base-known": .flag(extentBase != nil),
        ]
        let percent = share.pieces == 0 ? 0 : share.possible * 100 / share.pieces
        finding.what =
            "\(share.possible) of \(share.pieces) pieces of 2 MiB (\(percent) %) lie "
            + "aligned and in one piece; the file has \(extents.count) "
            + (extents.count == 1 ? "extent" : "extents")
        if facts.block?.members.isEmpty == false {
            finding.what =
                "the \(extents.count) extents say nothing about alignment: "
                + "\(facts.block?.name ?? "") may put them anywhere on its members"
        } else if extentBase == nil {
            finding.what += "; where the device begins is shown to root only"
            if geteuid() != 0 { finding.remedy = "sudo pmemkv doctor \(facts.path.shellWord)" }
        } else if share.pieces == 0 {
            finding.what = "the file is smaller than 2 MiB"
        } else if percent >= 90 {
            finding.severity = .ok
        } else {
            finding.severity = .warning
            finding.remedy = hugeRemedy
        }
        if share.unwrittenBytes + share.holeBytes > status.size / 10, share.pieces > 0 {
            finding.what +=
                "; \(Self.size(share.unwrittenBytes + share.holeBytes)) were never "
                + "written and wait for the journal at their first touch"
        }
        return finding
    }

    /// Both were seen to give 2 MiB extents for every file that is allocated at once.
    private var hugeRemedy: String {
        let comment = "  # back the store up first, this erases it"
        guard facts.fileSystem == "xfs" else {
            return "mkfs.ext4 -b 4096 -E stride=512,stripe_width=512 \(blockPath.shellWord)"
                + comment
        }
        return "mkfs.xfs -f -d su=2m,sw=1 \(blockPath.shellWord), mount it, and "
            + "xfs_io -c 'extsize 2m' "
            + (facts.mount?.mountPoint ?? directory) + comment
    }

    private func hugeMappings() -> PlaceReport.Finding? {
        guard let share = probe.hugeShare, share.tried > 0 else { return nil }
        let percent = share.huge * 100 / share.tried
        return PlaceReport.Finding(
            id: "huge-mappings", severity: percent >= 90 ? .ok : .warning,
            what: "\(share.huge) of \(share.tried) tried pieces of 2 MiB are mapped with one "
                + "entry (\(percent) %)",
            why: "counted by page faults, because smaps of most kernels leaves DAX mappings out",
            remedy: percent >= 90 ? nil : hugeRemedy,
            values: [
                "tried": .number(share.tried), "huge": .number(share.huge),
                "smaps-bytes": .optional(share.smapsBytes),
            ])
    }

    /// About how much, in the largest binary unit that it fills.
    static func amount(_ bytes: Int) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << shift {
            return "\(bytes >> shift) \(unit)"
        }
        return "\(bytes) bytes"
    }

    /// A size in the largest binary unit that divides it.
    static func size(_ bytes: Int) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)]
        where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift) \(unit)"
        }
        return "\(bytes) bytes"
    }
}
