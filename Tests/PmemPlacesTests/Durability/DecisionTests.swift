// What makes a write durable: a table of what is promised where, and, through every combination of
// place and circumstances, that an open and the doctor say the same.

import PmemPlaces
import SystemPackage
import Testing

@Suite("Durability decision")
struct DecisionTests {
    /// A place, what decides beside it, and what comes out: the strategy (nil: refused) and whether
    /// a write is durable.
    typealias Row = (SamplePlace, Circumstances, DurabilityDecision.Strategy?, Bool)

    static let table: [Row] = [
        (.disk, .init(mapSync: false), .msync, true),
        (.disk, .init(mapSync: false, force: "1"), .flushAndFence, false),
        (.disk, .init(mapSync: false, force: "1", hasAutoFlush: true), .fenceOnly, false),
        (.disk, .init(mapSync: false, force: "0"), .msync, true),
        (.disk, .init(mapSync: false, noFlush: "1"), .msync, true),
        (.disk, .init(mapSync: false, force: "1", noFlush: "1"), .fenceOnly, false),
        (.disk, .init(mapSync: false, io: .syscalls), .syscalls, true),
        (.disk, .init(mapSync: false, force: "1", noFlush: "1", io: .syscalls), .syscalls, true),
        (.tmpfs, .init(mapSync: false), .msync, false),
        (.tmpfs, .init(mapSync: false, force: "1"), .flushAndFence, false),
        (.tmpfs, .init(mapSync: false, io: .syscalls), .syscalls, false),
        (.initramfs, .init(mapSync: false), .msync, false),
        (.overlayOnMemory, .init(mapSync: false), .msync, false),
        (.overlayOnMemory, .init(mapSync: false, io: .syscalls), .syscalls, false),
        (.loopOnMemory, .init(mapSync: false), .msync, false),
        (.ramDisk, .init(mapSync: false), .msync, false),
        (.network, .init(mapSync: false), .msync, false),
        (.nvdimm, .init(), .flushAndFence, true),
        (.nvdimm, .init(io: .mapped), .flushAndFence, true),
        (.nvdimm, .init(mapSync: false), .msync, true),
        (.nvdimm, .init(force: "1"), .flushAndFence, true),
        (.nvdimm, .init(force: "0"), .msync, true),
        (.nvdimm, .init(noFlush: "1"), .fenceOnly, false),
        (.nvdimm, .init(noFlush: "1", hasAutoFlush: true), .fenceOnly, true),
        (.nvdimm, .init(hasAutoFlush: true), .fenceOnly, true),
        (.nvdimm, .init(noFlush: "0", hasAutoFlush: true), .flushAndFence, true),
        (.nvdimm, .init(noFlush: "1", io: .syscalls), .syscalls, true),
        (.virtio, .init(), .msync, true),
        (.virtio, .init(mapSync: false, force: "1"), .flushAndFence, false),
        (.virtio, .init(hasAutoFlush: true), .msync, true),
        (.volatileRegion, .init(), .flushAndFence, false),
        (.volatileRegion, .init(mapSync: false), .msync, false),
        (.volatileRegion, .init(io: .syscalls), .syscalls, false),
        (.silentWriteCache, .init(), .flushAndFence, true),
        (.silentWriteCache, .init(mapSync: false), .msync, false),
        (.silentWriteCache, .init(io: .syscalls), .syscalls, true),
        (.nvdimmWithoutDAX, .init(mapSync: false), .msync, true),
        (.devdax, .init(), .flushAndFence, true),
        (.devdax, .init(hasAutoFlush: true), .fenceOnly, true),
        (.devdax, .init(noFlush: "1"), .fenceOnly, false),
        (.devdax, .init(force: "0"), nil, false),
        (.devdax, .init(io: .syscalls), nil, false),
        (.specificPurpose, .init(), nil, false),
        (.specificPurpose, .init(force: "1"), nil, false),
        (.virtioDevdax, .init(), nil, false),
    ]

    @Test("The table of what is promised where")
    func promises() throws {
        for (place, circumstances, strategy, isDurable) in Self.table {
            let opened = circumstances.opened(try place.facts(MadeUpSystem()))
            #expect(opened?.strategy == strategy, "\(place), \(circumstances)")
            #expect(opened?.isDurable ?? false == isDurable, "\(place), \(circumstances)")
        }
    }

    @Test(
        "An open and the doctor agree, and the doctor blames the variable that costs durability",
        arguments: SamplePlace.allCases)
    func agreement(place: SamplePlace) throws {
        let system = try MadeUpSystem()
        let facts = try place.facts(system)
        for circumstances in Circumstances.all {
            let opened = circumstances.opened(facts)
            // Opening for reading, which asks libpmem nothing, tells what a writer would be told.
            #expect(circumstances.decision(facts, mapping: nil) == opened, "\(circumstances)")
            let report = circumstances.report(facts, system)
            let finding = try report.only("durability")
            let strategy = opened.map { PlaceReport.Value.text($0.strategy.rawValue) }
            #expect(finding.values["strategy"] == strategy ?? .unknown, "\(circumstances)")
            let isDurable = opened?.survivesPowerLoss.map { PlaceReport.Value.flag($0) }
            #expect(finding.values["durable"] == isDurable ?? .unknown, "\(circumstances)")
            #expect(
                finding.values["path"] == .text(Self.path(opened, place)), "\(circumstances)")
            if opened?.survivesPowerLoss == nil, opened != nil {
                #expect(finding.severity == .warning, "\(circumstances)")
            } else if opened?.isDurable != true {
                #expect(report.severity == .problem, "\(circumstances)")
            }
            if let reason = opened?.weakness ?? opened?.doubt {
                #expect(finding.why == reason, "\(circumstances)")
            }
            expectBlame(in: report, facts, circumstances)
        }
    }

    /// A variable is a problem exactly when unsetting it would make a write durable.
    private func expectBlame(
        in report: PlaceReport, _ facts: PlaceFacts, _ circumstances: Circumstances
    ) {
        var (unforced, flushed) = (circumstances, circumstances)
        unforced.force = nil
        flushed.noFlush = nil
        let isDurable = circumstances.opened(facts)?.isDurable == true
        for (name, other) in [("PMEM_IS_PMEM_FORCE", unforced), ("PMEM_NO_FLUSH", flushed)] {
            let isBlamed = report.findings("environment").contains {
                $0.subject == name && $0.severity == .problem
            }
            let wouldHelp = !isDurable && other.opened(facts)?.isDurable == true
            #expect(isBlamed == wouldHelp, "\(name), \(circumstances)")
        }
    }

    private static func path(_ opened: DurabilityDecision?, _ place: SamplePlace) -> String {
        guard let opened else { return place.isVolatile ? "never" : "refused" }
        guard let survives = opened.survivesPowerLoss else { return "unknown" }
        guard survives else { return "never" }
        return opened.strategy == .flushAndFence ? "flush-and-fence" : opened.strategy.rawValue
    }

    @Test("Nothing is promised that the medium or libpmem does not keep")
    func noFalsePromise() throws {
        for place in SamplePlace.allCases {
            let facts = try place.facts(MadeUpSystem())
            for circumstances in Circumstances.all {
                guard let opened = circumstances.opened(facts), opened.isDurable else { continue }
                #expect(
                    !place.isVolatile && !place.isRefused && !place.isDoubtful,
                    "\(place), \(circumstances)")
                if opened.strategy.isSynchronous {
                    let isPermitted = circumstances.mapSync || place.isDevice
                    #expect(isPermitted && !place.isAsynchronous, "\(place), \(circumstances)")
                    #expect(
                        circumstances.noFlush != "1" || circumstances.hasAutoFlush,
                        "\(place), \(circumstances)")
                }
                if opened.strategy == .fenceOnly {
                    #expect(circumstances.hasAutoFlush, "\(place), \(circumstances)")
                }
            }
        }
    }

    @Test("What was not tried counts only where it decides")
    func untried() throws {
        let system = try MadeUpSystem()
        let facts = try SamplePlace.nvdimm.facts(system)
        let finding = try system.report(facts, .untried("no")).only("durability")
        #expect(finding.values["path"] == .text("unknown"))
        #expect(finding.values["strategy"] == .unknown)
        // Durable in either way: by flushing, or by msync.
        #expect(finding.values["durable"] == .flag(true))
        let calls = try system.report(facts, .untried("no"), io: .syscalls).only("durability")
        #expect(calls.values["strategy"] == .text("syscalls"))
        let device = try SamplePlace.devdax.facts(MadeUpSystem())
        #expect(
            try system.report(device, .untried("no")).only("durability").values["path"]
                == .text("flush-and-fence"))
    }

    @Test(
        "The variables are read as libpmem reads them",
        arguments: [
            (nil, nil), ("1", true), (" 1", true), ("1x", true), ("01", true), ("0", false),
            ("", false), ("yes", false), ("2", nil),
        ] as [(String?, Bool?)])
    func spelling(force: String?, expected: Bool?) {
        let given = Circumstances(force: force, noFlush: force).libpmem
        #expect(given.forcedAnswer == expected)
        #expect(given.isUnflushed == (force == "1"))
    }
}
