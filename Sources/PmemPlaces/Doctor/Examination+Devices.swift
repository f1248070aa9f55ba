// Findings about the memory devices: where their memory comes from, its health and its bad blocks.

extension Examination {
    func deviceFindings() -> [PlaceReport.Finding] {
        facts.devices.flatMap { device in
            [memory(device), health(device), badBlocks(device), writeCache(device)]
                .compactMap { $0 }
        }
    }

    private func memory(_ device: PmemDevice) -> PlaceReport.Finding {
        var finding = PlaceReport.Finding(
            id: "memory", subject: device.name, severity: .ok, what: "", why: "",
            values: [
                "backing": .text(device.backing.rawValue),
                "driver": .optional(device.driver),
                "source-driver": .optional(device.sourceDriver),
                "region": .optional(device.region), "provider": .optional(device.busProvider),
                "namespace": .optional(device.namespace), "mode": .optional(device.mode),
                "size": .optional(device.sizeBytes), "system-ram": .flag(device.isSystemRAM),
                "disabled": .flag(device.isDisabled),
                "volatile": .flag(device.isVolatile),
            ])
        if device.isSystemRAM {
            finding.severity = .problem
            finding.what = "\(device.name) is in system-ram mode (driver kmem)"
            finding.why = "the kernel hands its pages to anybody as ordinary memory"
            finding.remedy = facts.refusal?.remedy
            return finding
        }
        describeBacking(of: device, in: &finding)
        return finding
    }

    /// What the memory is made of, and what that is worth.
    private func describeBacking(
        of device: PmemDevice, in finding: inout PlaceReport.Finding
    ) {
        let origin = [device.region, device.busProvider.map { "bus provider \($0)" }]
            .compactMap { $0 }.joined(separator: ", ")
        switch device.backing {
        case .nvdimm:
            finding.what = "\(device.name) is persistent memory (\(origin))"
            finding.why = "what has been flushed survives a loss of power"
            if isVirtualMachine {
                finding.severity = .note
                finding.why =
                    "inside a virtual machine that is up to the host: an emulated "
                    + "NVDIMM keeps what the host keeps"
            }
        case .virtioPmem:
            finding.severity = .warning
            finding.what =
                "\(device.name) is virtio-pmem: memory of the host with a "
                + "paravirtual flush"
            finding.why = "only fsync and msync reach the host's file; a cache flush does not"
            finding.remedy = "-device nvdimm,memdev=ID  # in its place, on QEMU's command line"
        case .legacyE820:
            finding.severity = .warning
            finding.what = "\(device.name) was declared by e820 (memmap= or legacy type 12)"
            finding.why =
                "with memmap= it is DRAM and forgets at power loss; nothing in the "
                + "system can tell"
            finding.remedy = "grep -o 'memmap=[^ ]*' /proc/cmdline"
        case .volatileRegion:
            finding.severity = .problem
            finding.what = "\(device.name) lies in a volatile region (\(origin))"
            finding.why = "it loses its content with power"
            finding.remedy = betterPlace
        case .specificPurpose:
            finding.severity = .problem
            finding.what =
                "\(device.name) is specific-purpose memory (EFI_MEMORY_SP, "
                + "driver \(device.sourceDriver ?? "dax_hmem"))"
            finding.why =
                "HBM and the like lose their content with power, yet libpmem takes it "
                + "for persistent"
            finding.remedy =
                "daxctl reconfigure-device --mode=system-ram \(device.name)"
                + "  # to use it as ordinary memory"
        case .cxlVolatile:
            finding.severity = .problem
            finding.what = "\(device.name) is volatile CXL memory (\(device.region ?? "region"))"
            finding.why = "it loses its content with power, yet libpmem takes it for persistent"
            finding.remedy = betterPlace
        case .unknown:
            finding.severity = facts.kind == .devdax ? .problem : .warning
            finding.what = "where the memory of \(device.name) comes from is not known"
            finding.why = "no libnvdimm region stands above it in sysfs"
            finding.remedy = root.exists("/sys/class") ? betterPlace : "mount -t sysfs sysfs /sys"
        }
    }

    private var isVirtualMachine: Bool {
        let information = root.text("/proc/cpuinfo") ?? ""
        let flags = information.split(separator: "\n").first { $0.hasPrefix("flags") }
        return flags?.split(separator: " ").contains("hypervisor") ?? false
    }

    /// What the modules below the region say of themselves (nfit/flags): a module that is not
    /// armed saves nothing at power loss.
    private func health(_ device: PmemDevice) -> PlaceReport.Finding? {
        guard let region = device.region, device.backing == .nvdimm else { return nil }
        let path = "/sys/bus/nd/devices/" + region
        let count = root.integer(path + "/mappings") ?? 0
        var flags: Set<String> = []
        var modules: [String] = []
        for index in 0..<min(max(0, count), 64) {
            let mapping = root.value(path + "/mapping\(index)") ?? ""
            guard let name = mapping.split(separator: ",").first.map(String.init) else { continue }
            modules.append(name)
            let text = root.value("/sys/bus/nd/devices/\(name)/nfit/flags") ?? ""
            flags.formUnion(text.split(separator: " ").map(String.init))
        }
        guard !modules.isEmpty else { return nil }
        let failures = flags.intersection([
            "save_fail", "restore_fail", "flush_fail", "not_armed", "map_fail",
        ]).sorted()
        let warns = flags.contains("smart_event") || flags.contains("smart_notify")
        let names = modules.joined(separator: ", ")
        return PlaceReport.Finding(
            id: "health", subject: device.name,
            severity: failures.isEmpty ? (warns ? .warning : .ok) : .problem,
            what: failures.isEmpty
                ? (warns
                    ? "a health event was sent by \(names)" : "no failure reported by \(names)")
                : "\(failures.joined(separator: ", ")) reported by \(names)",
            why: failures.isEmpty
                ? "the modules are armed to save their content at power loss"
                : "the content may not be saved at the next power loss, or was not at the last",
            remedy: failures.isEmpty && !warns ? nil : "ndctl list -DH",
            values: ["modules": .list(modules), "flags": .list(flags.sorted())])
    }

    private func badBlocks(_ device: PmemDevice) -> PlaceReport.Finding? {
        guard !device.badRanges.isEmpty else {
            return PlaceReport.Finding(
                id: "bad-blocks", subject: device.name, severity: .ok,
                what: "\(device.name) has no known bad blocks",
                why: "reading a bad block raises SIGBUS, or EIO from read(2)",
                values: ["sectors": .number(0), "in-file": .unknown])
        }
        let sectors = device.badRanges.reduce(0) { $0 + $1.sectorCount }
        let inFile = badSectorsInFile(device)
        let isHit = inFile != 0
        let place = inFile.map { $0 == 0 ? ", none of them in this file" : ", \($0) in this file" }
        let listed = "\(sectors) bad sectors of 512 bytes in \(device.badRanges.count) ranges"
        let remedy =
            device.isCharacterDevice
            ? device.namespace.map { "ndctl clear-errors \($0)" } ?? PmemDevice.namingNamespace
            : "ndctl list --media-errors"
                + (device.namespace.map { " -n \($0)" } ?? "")
                + "  # then pmemkv check and pmemkv repair"
        return PlaceReport.Finding(
            id: "bad-blocks", subject: device.name, severity: isHit ? .problem : .warning,
            what: "\(device.name) has \(listed)\(place ?? "")",
            why: "loads from them raise SIGBUS; what they held is lost until written again",
            remedy: remedy,
            values: ["sectors": .number(sectors), "in-file": .optional(inFile)])
    }

    /// How many bad sectors the file's extents contain; nil when there is no file, or its extents
    /// do not count from this device.
    private func badSectorsInFile(_ device: PmemDevice) -> Int? {
        guard facts.kind == .regularFile, let extents = probe.extents,
            let block = facts.block, block.members.isEmpty, block.pmem?.name == device.name
        else { return nil }
        let partition = block.partitionOffsetBytes ?? 0
        var count = 0
        for extent in extents {
            let first = (extent.physical + partition) / 512
            let end = (extent.physical + partition + extent.length + 511) / 512
            for bad in device.badRanges {
                count += max(
                    0,
                    min(end, bad.firstSector + bad.sectorCount)
                        - max(first, bad.firstSector))
            }
        }
        return count
    }

    private func writeCache(_ device: PmemDevice) -> PlaceReport.Finding? {
        guard let hasCache = device.hasWriteCache, device.backing == .nvdimm else { return nil }
        let isWrong = device.leavesCachesUnflushed
        return PlaceReport.Finding(
            id: "write-cache", subject: device.name, severity: isWrong ? .problem : .ok,
            what: hasCache
                ? "fsync on \(device.name) flushes processor caches"
                : "fsync on \(device.name) leaves processor caches alone (dax/write_cache is 0)",
            why: isWrong
                ? "without eADR, msync and fsync then promise what they do not do"
                : "msync and fsync keep their promise",
            remedy: isWrong ? "echo 1 > /sys/block/\(device.name)/dax/write_cache" : nil,
            values: ["write-cache": .flag(hasCache)])
    }
}
