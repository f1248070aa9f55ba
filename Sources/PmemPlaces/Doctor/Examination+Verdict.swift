// What the durability decision gives for the place as examined, and for the same place with a
// variable of libpmem taken away.
//
// Invariant: the rules are DurabilityDecision's. Here they are only asked, and what depends on an
// answer that the examination did not get is called unknown.

extension Examination {
    /// What turns a write into a durable one at this place.
    enum DurabilityPath: String {
        case flushAndFence = "flush-and-fence"
        case fence
        case sync = "msync"
        case calls = "syscalls"
        /// No acknowledged write is sure to survive a loss of power.
        case never
        /// A store cannot be opened.
        case refused
        case unknown

        init(_ decision: DurabilityDecision) {
            self =
                switch decision.strategy {
                case _ where decision.weakness != nil: .never
                case _ where decision.doubt != nil: .unknown
                case .flushAndFence: .flushAndFence
                case .fenceOnly: .fence
                case .msync: .sync
                case .syscalls: .calls
                }
        }
    }

    /// The answer for a place, as far as it is known; a nil is not.
    struct Verdict: Equatable {
        var path: DurabilityPath
        var strategy: DurabilityDecision.Strategy?
        var isDurable: Bool?
        /// Why it is not durable or refused, when no other finding says so.
        var explanation: String?
    }

    func verdict(_ libpmem: LibpmemFacts) -> Verdict {
        switch probe.synchronous {
        case .accepted: return verdict(mapSync: true, libpmem)
        case .refused: return verdict(mapSync: false, libpmem)
        case .untried:
            let (one, other) = (verdict(mapSync: true, libpmem), verdict(mapSync: false, libpmem))
            return Verdict(
                path: one.path == other.path ? one.path : .unknown,
                strategy: one.strategy == other.strategy ? one.strategy : nil,
                isDurable: one.isDurable == other.isDurable ? one.isDurable : nil,
                explanation: one.explanation == other.explanation ? one.explanation : nil)
        }
    }

    private func verdict(mapSync: Bool, _ libpmem: LibpmemFacts) -> Verdict {
        do throws(PlaceFacts.Refusal) {
            let decision = try DurabilityDecision(
                on: facts, mapSync: mapSync, libpmem: libpmem, io: io)
            return Verdict(
                path: DurabilityPath(decision), strategy: decision.strategy,
                isDurable: decision.survivesPowerLoss,
                explanation: decision.weakness ?? decision.doubt)
        } catch {
            // A device that is refused because it forgets is worth the harder word.
            return Verdict(
                path: facts.isVolatile ? .never : .refused,
                explanation: error == facts.refusal ? nil : "\(error.reason): \(error.remedy)")
        }
    }

    /// What the variables make libpmem do, against what it would do without each of them.
    func environmentFindings() -> [PlaceReport.Finding] {
        [forceFinding(), flushFinding()].compactMap { $0 }
    }

    private func forceFinding() -> PlaceReport.Finding? {
        let name = LibpmemFacts.forceVariable
        guard let value = libpmem.environment[name] else { return nil }
        let severity = severity(of: name)
        let why =
            switch (severity, libpmem.forcedAnswer) {
            case (.note, _): "it does not make more writes durable here"
            case (_, false): "libpmem then takes nothing for persistent memory, and this is some"
            case (_, _): "flushes would stand in for the msync that is needed here"
            }
        return finding(
            name, value, severity, what: "overrides what libpmem finds out", why: why)
    }

    private func flushFinding() -> PlaceReport.Finding? {
        let name = LibpmemFacts.flushVariable
        switch libpmem.environment[name] {
        case "1":
            let severity = severity(of: name)
            let why =
                severity == .problem
                ? "acknowledged writes would still be in the processor's cache"
                : libpmem.hasAutoFlush
                    ? "this machine flushes caches itself (eADR)"
                    : "it makes no difference here, where no flush makes a write durable"
            return finding(
                name, "1", severity, what: "makes libpmem leave out cache flushes", why: why)
        case "0" where libpmem.hasAutoFlush:
            return finding(
                name, "0", .note, what: "makes libpmem flush caches all the same",
                why: "this machine flushes caches itself (eADR); commits could do without")
        default:
            return nil
        }
    }

    private func finding(
        _ name: String, _ value: String, _ severity: PlaceReport.Severity, what: String,
        why: String
    ) -> PlaceReport.Finding {
        PlaceReport.Finding(
            id: "environment", subject: name, severity: severity, what: "\(name)=\(value) \(what)",
            why: why, remedy: "unset \(name)", values: ["value": .text(value)])
    }

    /// What a variable costs: durability (a problem), speed (a warning), or nothing.
    private func severity(of variable: String) -> PlaceReport.Severity {
        var without = libpmem
        without.environment[variable] = nil
        let (now, then) = (verdict(libpmem), verdict(without))
        if then.isDurable == true, now.isDurable != true { return .problem }
        let isSlower = then.strategy?.isSynchronous == true && now.strategy == .msync
        return isSlower ? .warning : .note
    }
}
