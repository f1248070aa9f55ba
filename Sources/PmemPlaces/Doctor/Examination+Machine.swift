// Findings about the machine: NUMA nodes, what the firmware says of their speed, and the kernel.

extension Examination {
    func nodeFindings() -> [PlaceReport.Finding] {
        let nodes = NodeFacts(root: root)
        var findings = facts.devices.compactMap { numa($0, nodes) }
        for device in facts.devices { findings.append(speed(device)) }
        return findings
    }

    private func numa(_ device: PmemDevice, _ nodes: NodeFacts) -> PlaceReport.Finding? {
        let allowed = nodes.allowedNodes
        var finding = PlaceReport.Finding(
            id: "numa", subject: device.name, severity: .note,
            what: "the NUMA node of \(device.name) is not known",
            why: "access from another socket has about twice the latency and half the bandwidth",
            values: [
                "device-node": .optional(device.numaNode),
                "process-nodes": .list(allowed.map(String.init)),
            ])
        guard let node = device.numaNode else { return finding }
        let isNear = !(nodes.processors[node] ?? []).isEmpty
        let home = isNear ? node : nodes.nearest(to: node)
        let remedy = home.map { "numactl --cpunodebind=\($0) --preferred=\($0) COMMAND" }
        let location =
            isNear
            ? "node \(node)"
            : "node \(node), which has no processors"
                + (home.map { " and is nearest to node \($0)" } ?? "")
        let running = allowed.map(String.init).joined(separator: ", ")
        finding.what = "\(device.name) is on \(location); this process may run on node \(running)"
        if allowed.isEmpty || home == nil {
            finding.what = "\(device.name) is on \(location)"
        } else if allowed == [home] {
            finding.severity = .ok
        } else if home.map(allowed.contains) == true {
            finding.remedy = remedy
        } else {
            finding.severity = .warning
            finding.remedy = remedy
        }
        return finding
    }

    private func speed(_ device: PmemDevice) -> PlaceReport.Finding {
        let candidates = [device.targetNode, device.numaNode].compactMap { $0 }
        guard let speed = candidates.lazy.compactMap({ NodeSpeed(node: $0, root: root) }).first
        else {
            return PlaceReport.Finding(
                id: "hmat", subject: device.name, severity: .note,
                what: "the kernel knows no latency or bandwidth of \(device.name)",
                why: "the firmware has no HMAT for it, or its node is not online",
                values: ["node": .unknown])
        }
        let latency =
            "\(Self.figure(speed.readLatencyNanoseconds)) ns to read, "
            + "\(Self.figure(speed.writeLatencyNanoseconds)) ns to write"
        let bandwidth =
            "\(Self.figure(speed.readBandwidth)) MiB/s to read, "
            + "\(Self.figure(speed.writeBandwidth)) MiB/s to write"
        let isProper = speed.node == device.targetNode
        return PlaceReport.Finding(
            id: "hmat", subject: device.name, severity: isProper ? .ok : .note,
            what: "firmware (HMAT) says of node \(speed.node): \(latency); \(bandwidth)",
            why: isProper
                ? "what this memory can give at best, from the nearest processors"
                : "the figures are of the node the device hangs on, which may be its DRAM",
            values: [
                "node": .number(speed.node),
                "read-latency-ns": .optional(speed.readLatencyNanoseconds),
                "write-latency-ns": .optional(speed.writeLatencyNanoseconds),
                "read-bandwidth-mibs": .optional(speed.readBandwidth),
                "write-bandwidth-mibs": .optional(speed.writeBandwidth),
                "initiators": .list(speed.initiators.map(String.init)),
            ])
    }

    private static func figure(_ number: Int?) -> String {
        number.map(String.init) ?? "an unknown number of"
    }

    func kernelFindings() -> [PlaceReport.Finding] {
        [kernelVersion(), hardenedUsercopy()]
    }

    private func kernelVersion() -> PlaceReport.Finding {
        var finding = PlaceReport.Finding(
            id: "kernel", severity: .ok, what: "", why: "",
            values: [
                "release": .optional(kernel.release),
                "usercopy-bypass": .optional(kernel.hasUsercopyBypass),
            ])
        let release = kernel.release.map { "the kernel is \($0)" } ?? "the kernel is not known"
        switch kernel.hasUsercopyBypass {
        case true?:
            finding.what = "\(release) and has the hardened-usercopy bypass for DAX"
            finding.why = "read(2) and write(2) on DAX files do not touch struct page"
        case false?:
            finding.severity = facts.devices.isEmpty ? .note : .warning
            finding.what = "\(release), without the hardened-usercopy bypass for DAX"
            finding.why =
                "read(2) and write(2) on DAX files look up struct page; on the device "
                + "(map=dev) that cost over a quarter of the operations in published runs"
            if !facts.devices.isEmpty {
                finding.remedy = "boot Linux 5.2 or later (or 4.14.123, 5.0.20, 5.1.6)"
            }
        case nil:
            finding.severity = .note
            finding.what = "\(release); whether it has the hardened-usercopy bypass cannot be told"
            finding.why = "Linux has it since 5.2; distributions may have taken it into older ones"
            finding.remedy =
                "look for \"Bypass CONFIG_HARDENED_USERCOPY overhead\" in the "
                + "kernel package's change log"
        }
        return finding
    }

    private func hardenedUsercopy() -> PlaceReport.Finding {
        var finding = PlaceReport.Finding(
            id: "hardened-usercopy", severity: .ok,
            what: "hardened usercopy is \(kernel.usercopy.rawValue)", why: "",
            values: [
                "setting": .text(kernel.isUsercopyOff ? "off" : kernel.usercopy.rawValue),
                "source": .optional(kernel.usercopySource),
            ])
        if let source = kernel.usercopySource { finding.what += " (\(source))" }
        switch (kernel.usercopy, kernel.hasUsercopyBypass) {
        case (.off, _), (.notBuilt, _):
            finding.why = "copies between user and kernel memory look at no struct page"
        case (.on, true?):
            finding.why = "this kernel does not apply it to DAX, so it costs nothing there"
        case (.on, _):
            finding.severity = facts.devices.isEmpty ? .note : .warning
            finding.why = "each read(2) and write(2) on DAX may wait for a struct page"
            if let device = facts.devices.first {
                finding.remedy =
                    "boot with hardened_usercopy=off, or keep struct page in DRAM: "
                    + device.recreate("-m \(device.mode ?? "fsdax") -M mem")
                    + "  # erases the namespace"
            }
        case (.unknown, _):
            finding.severity = .note
            finding.what = "the hardened-usercopy setting is not known"
            finding.why =
                kernel.hasUsercopyBypass == true
                ? "this kernel does not apply it to DAX, so it costs nothing there either way"
                : "where it is on, read(2) and write(2) on DAX may wait for a struct page"
        }
        return finding
    }
}
