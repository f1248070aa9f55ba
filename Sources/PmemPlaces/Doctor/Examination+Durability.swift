// Findings about durability: MAP_SYNC, what makes a store durable, the persistence domain,
// device-mapper members that make the whole asynchronous, and what libpmem was told to believe.

import SystemPackage

extension Examination {
    /// What turns a store into a durable one at this place.
    enum DurabilityPath: String {
        case flushAndFence = "flush-and-fence"
        case fence
        case sync = "msync"
        /// Nothing survives a loss of power.
        case never
        /// Not a place for a store.
        case refused
        case unknown
    }

    func durabilityFindings() -> [PlaceReport.Finding] {
        var findings: [PlaceReport.Finding] = []
        if facts.kind != .blockDevice { findings += [durability(), mapSync()] }
        findings += persistenceDomains()
        if let finding = stackedDevices() { findings.append(finding) }
        findings += environmentFindings()
        return findings
    }

    var durabilityPath: DurabilityPath {
        if facts.isVolatile { return .never }
        if facts.refusal != nil, facts.kind != .directory, facts.kind != .mountPoint {
            return .refused
        }
        // Device DAX accepts MAP_SYNC whatever is below; the refusal has excluded the wrong ones.
        // For a file, an asynchronous device outweighs whatever the mapping said.
        switch probe.synchronous {
        case .accepted:
            if !facts.asynchronousDevices.isEmpty { return .sync }
            return hasAutomaticFlush ? .fence : .flushAndFence
        case .refused: return facts.kind == .devdax ? .unknown : .sync
        case .untried: return .unknown
        }
    }

    private func durability() -> PlaceReport.Finding {
        let path = durabilityPath
        let (severity, what, why): (PlaceReport.Severity, String, String) =
            switch path {
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
            case .never:
                (
                    .problem, "nothing written here survives a loss of power",
                    "flushes and msync succeed, but the memory itself is volatile"
                )
            case .refused:
                (.problem, "no store can be opened here", "see the finding named place")
            case .unknown:
                (
                    .note, "what makes a write durable here is not known",
                    "it depends on whether the kernel accepts MAP_SYNC, which was not found out"
                )
            }
        return PlaceReport.Finding(
            id: "durability", severity: severity, what: what, why: why,
            remedy: path == .sync && facts.devices.isEmpty
                ? "for flush-and-fence commits, use DAX on persistent memory" : nil,
            values: ["path": .text(path.rawValue), "eadr": .flag(hasAutomaticFlush)])
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
                "flushing processor caches does not make data durable here; "
                + "the store uses msync or fsync"
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
                    "eadr": .flag(hasAutomaticFlush),
                ])
            let region = device.region ?? "its region"
            switch device.persistenceDomain {
            case "cpu_cache":
                finding.what = "\(region): power failure flushes processor caches (cpu_cache)"
                finding.why = "a fence is enough where every region of the machine says this"
                if !hasAutomaticFlush {
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
                : "dmsetup table \(block.mapperName ?? "")  # make it of the memory alone"
        } else if !asynchronous.isEmpty {
            finding.severity = .warning
            finding.what =
                "\(title) is made of \(all.joined(separator: ", ")); "
                + "\(asynchronous.joined(separator: ", ")) makes it asynchronous"
            finding.why = "one virtio-pmem member makes every store on the device wait for msync"
            finding.remedy =
                "dmsetup table \(block.mapperName ?? "")  # make it anew without "
                + asynchronous.joined(separator: ", ")
        }
        return finding
    }

    /// What the environment makes libpmem believe, against what is the case.
    private func environmentFindings() -> [PlaceReport.Finding] {
        var findings: [PlaceReport.Finding] = []
        if environment["PMEM_NO_FLUSH"] == "1" {
            let isHarmless = durabilityPath == .fence
            findings.append(
                PlaceReport.Finding(
                    id: "environment", subject: "PMEM_NO_FLUSH",
                    severity: isHarmless ? .note : .problem,
                    what: "PMEM_NO_FLUSH=1 makes libpmem leave out cache flushes",
                    why: isHarmless
                        ? "this machine flushes caches itself (eADR)"
                        : "acknowledged writes would still be in the processor's cache",
                    remedy: "unset PMEM_NO_FLUSH", values: ["value": .text("1")]))
        }
        if let force = environment["PMEM_IS_PMEM_FORCE"] {
            let isWrong = force == "1" && durabilityPath == .sync
            findings.append(
                PlaceReport.Finding(
                    id: "environment", subject: "PMEM_IS_PMEM_FORCE",
                    severity: isWrong ? .problem : .note,
                    what: "PMEM_IS_PMEM_FORCE=\(force) overrides what libpmem finds out",
                    why: isWrong
                        ? "flushes would stand in for the msync that is needed here"
                        : "it changes nothing for the better here",
                    remedy: "unset PMEM_IS_PMEM_FORCE", values: ["value": .text(force)]))
        }
        return findings
    }
}
