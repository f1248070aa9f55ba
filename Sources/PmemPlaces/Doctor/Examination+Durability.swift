// Findings about durability: MAP_SYNC, what makes a store durable, the persistence domain, and
// device-mapper members that make the whole asynchronous.

import SystemPackage

extension Examination {
    func durabilityFindings() -> [PlaceReport.Finding] {
        var findings: [PlaceReport.Finding] = []
        if facts.kind != .blockDevice { findings += [durability(), mapSync()] }
        findings += persistenceDomains()
        if let finding = stackedDevices() { findings.append(finding) }
        findings += environmentFindings()
        return findings
    }

    private func durability() -> PlaceReport.Finding {
        let verdict = verdict(libpmem)
        let (severity, what, why): (PlaceReport.Severity, String, String) =
            switch verdict.path {
            case .flushAndFence:
                (
                    .ok, "a write is durable after a cache flush and a fence",
                    "no system call is needed to commit: a put takes well under a microsecond"
                )
            case .fence:
                (
                    .ok, "a write is durable after a fence: power loss flushes caches (eADR)",
                    "the flush instructions can be left out"
                )
            case .sync:
                (
                    facts.devices.isEmpty ? .note : .warning,
                    "a write is durable only after msync or fsync",
                    "every commit is a system call of microseconds to milliseconds; "
                        + "commits of several threads share one"
                )
            case .calls:
                (
                    .ok, "a write is durable after write(2) and fdatasync(2)",
                    "that is the way that was asked for; commits of several threads share a call"
                )
            case .never:
                (
                    .problem, "nothing written here is sure to survive a loss of power",
                    verdict.explanation ?? "the memory itself is volatile"
                )
            case .refused:
                (
                    .problem, "no store can be opened here",
                    verdict.explanation ?? "see the finding named place"
                )
            case .unknown where verdict.explanation != nil:
                (
                    .warning, "whether a write here survives a loss of power cannot be told",
                    verdict.explanation ?? ""
                )
            case .unknown:
                (
                    .note, "what makes a write durable here is not known",
                    "it depends on whether the kernel accepts MAP_SYNC, which was not found out"
                )
            }
        return PlaceReport.Finding(
            id: "durability", severity: severity, what: what, why: why,
            remedy: durabilityRemedy(verdict),
            values: [
                "path": .text(verdict.path.rawValue),
                "strategy": .optional(verdict.strategy?.rawValue),
                "durable": .optional(verdict.isDurable), "eadr": .flag(libpmem.hasAutoFlush),
            ])
    }

    private func durabilityRemedy(_ verdict: Verdict) -> String? {
        switch verdict.path {
        case .sync: facts.devices.isEmpty ? memoryElsewhere : nil
        // A variable that costs durability has a finding and a remedy of its own.
        case .never, .unknown: facts.permanence == .lasting ? nil : betterPlace
        case .flushAndFence, .fence, .calls, .refused: nil
        }
    }

    private func mapSync() -> PlaceReport.Finding {
        var finding = PlaceReport.Finding(
            id: "map-sync", severity: .ok, what: "the kernel accepts MAP_SYNC here",
            why: "file system metadata is durable before a first store to a page, so that "
                + "flushing the data is enough",
            values: ["map-sync": .text("accepted")])
        switch probe.synchronous {
        case .accepted:
            if facts.kind == .devdax {
                finding.why =
                    "device DAX has no metadata and accepts it on any memory, so this "
                    + "alone proves nothing about durability"
            }
        case .refused(let error):
            finding.values["map-sync"] = .text("refused")
            finding.values["error"] = .text(error.description)
            finding.what = "the kernel refuses MAP_SYNC here: \(error.description)"
            finding.why =
                "flushing processor caches does not make data durable here, "
                + "only a system call does"
            finding.severity = facts.devices.isEmpty ? .note : .warning
            finding.remedy = mapSyncRemedy
            if facts.isMemoryFileSystem {
                finding.why = "only DAX files have it; here nothing makes data durable"
            }
        case .untried(let reason):
            finding.values["map-sync"] = .text("untried")
            finding.severity = .note
            finding.what = "MAP_SYNC was not tried: \(reason)"
            finding.why = "without it a store cannot commit by flush and fence"
        }
        return finding
    }

    private var mapSyncRemedy: String? {
        if facts.isMemoryFileSystem || facts.devices.isEmpty { return nil }
        let names = facts.asynchronousDevices.map(\.name)
        if names.isEmpty {
            let isDAX = facts.kind == .regularFile ? facts.isDAX : probe.newFileIsDAX
            return isDAX == true ? nil : "make the file DAX first, as the finding named dax says"
        }
        if facts.block?.members.isEmpty == false {
            return "leave \(names.joined(separator: ", ")) out of \(blockPath)"
        }
        return "-device nvdimm,memdev=ID  # in place of virtio-pmem, on QEMU's command line"
    }

    private func persistenceDomains() -> [PlaceReport.Finding] {
        facts.devices.filter { $0.backing == .nvdimm || $0.backing == .legacyE820 }.map { device in
            var finding = PlaceReport.Finding(
                id: "persistence-domain", subject: device.name, severity: .ok, what: "", why: "",
                values: [
                    "region": .optional(device.region),
                    "domain": .optional(device.persistenceDomain),
                    "eadr": .flag(libpmem.hasAutoFlush),
                ])
            let region = device.region ?? "its region"
            switch device.persistenceDomain {
            case "cpu_cache":
                finding.what = "\(region): power failure flushes processor caches (cpu_cache)"
                finding.why = "a fence is enough where every region of the machine says this"
                if !libpmem.hasAutoFlush {
                    finding.severity = .note
                    finding.why =
                        "another region of this machine does not say so, and libpmem "
                        + "then flushes everywhere"
                }
            case "memory_controller":
                finding.what = "\(region): what has reached the memory controller is durable"
                finding.why = "stores need a cache flush and a fence"
            case let other:
                finding.severity = .note
                finding.what =
                    "\(region) does not name its persistence domain"
                    + (other.map { ": \($0)" } ?? "")
                finding.why =
                    "the firmware made no promise about power failure; the store "
                    + "flushes and fences"
                finding.remedy = "check the platform's manual for ADR support"
            }
            return finding
        }
    }

    private func stackedDevices() -> PlaceReport.Finding? {
        guard let block = facts.block, !block.members.isEmpty else { return nil }
        let names = facts.devices.map(\.name)
        let asynchronous = facts.asynchronousDevices.map(\.name)
        let ordinary = block.ordinaryLeaves
        let all = names + ordinary
        let title = block.mapperName.map { "\(block.name) (\($0))" } ?? block.name
        var finding = PlaceReport.Finding(
            id: "device-mapper", subject: block.name, severity: .ok,
            what: "\(title) is made of \(all.joined(separator: ", ")), all synchronous",
            why: "MAP_SYNC works on a stacked device only when it works on every member",
            values: [
                "members": .list(all), "asynchronous": .list(asynchronous),
                "not-memory": .list(ordinary),
            ])
        if !ordinary.isEmpty {
            finding.severity = names.isEmpty ? .note : .warning
            finding.what =
                "\(title) is made of \(all.joined(separator: ", ")); "
                + "\(ordinary.joined(separator: ", ")) "
                + (ordinary.count == 1 ? "is" : "are") + " not memory"
            finding.why = "one member without DAX takes it from the whole device"
            finding.remedy =
                names.isEmpty
                ? nil
                : "\(composition(of: block))  # make it of the memory alone"
        } else if !asynchronous.isEmpty {
            finding.severity = .warning
            finding.what =
                "\(title) is made of \(all.joined(separator: ", ")); "
                + "\(asynchronous.joined(separator: ", ")) makes it asynchronous"
            finding.why = "one virtio-pmem member makes every store on the device wait for msync"
            finding.remedy =
                "\(composition(of: block))  # make it anew without "
                + asynchronous.joined(separator: ", ")
        }
        return finding
    }

    /// The command that shows what a stacked device is made of.
    private func composition(of block: BlockDevice) -> String {
        block.mapperName.map { "dmsetup table \($0.shellWord)" } ?? "cat /proc/mdstat"
    }
}
