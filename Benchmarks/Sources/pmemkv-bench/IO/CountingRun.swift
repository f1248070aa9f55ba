import CBench
import Foundation
import PmemPlaces

/// The guest's side of an exact count: runs each operation a fixed number of times between marks
/// that the machine's plugin understands (see count_marker.h). Nothing is timed; under emulation
/// times mean nothing. The machine writes the counts; this prints which phase is what.
struct CountingRun {
    let plan: IOPlan
    let targets: [IOTarget]
    let source: SourceFile?
    let count: Int
    /// Where the emulator keeps the first byte of a target's device, by target name: its plugin
    /// interface knows memory by the emulator's own addresses, not by the guest's.
    let emulatorAddresses: [String: UInt64]

    /// struct page of page frame N is at this address plus 64 N: kernels booted with nokaslr and
    /// four-level page tables.
    static let vmemmap: UInt64 = 0xffff_ea00_0000_0000
    static let structPageBytes: UInt64 = 64
    static let pageBytes: UInt64 = 4096

    func run() throws {
        guard count_marker_open() == 0 else { throw BenchError.system("map the marker page") }
        let environment = RunEnvironment(path: targets[0].path, pmemForced: plan.forcedPmem)
        for target in targets {
            let place = PlaceFacts.inspect(path: target.path)
            let facts = DeviceFacts(place)
            declareRanges(facts, target)
            touchEveryPage(target)
            print(
                "target name=\(target.name) dax=\(place.isDAX.map { $0 ? 1 : 0 } ?? -1) "
                    + "pages=\(word(facts.structPages)) sync=\(target.mapSyncAccepted ? 1 : 0) "
                    + "usercopy=\(word(environment.hardenedUsercopy)) "
                    + "kernel=\(environment.kernel)")
            for configuration in plan.configurations {
                count(configuration, target)
            }
        }
    }

    private func word(_ text: String) -> String { text.replacingOccurrences(of: " ", with: "-") }

    /// The target's own mapping is there before anything is counted, so that only the operations
    /// which are about faults have any.
    private func touchEveryPage(_ target: IOTarget) {
        for offset in stride(from: 0, to: target.size, by: 4096) {
            bench_store(target.base + offset, bench_load(target.base + offset))
        }
    }

    /// Range 0: struct pages of the device's data, by kernel address. Range 1: the part of the
    /// device where they lie (map=dev only), range 2: its data.
    private func declareRanges(_ facts: DeviceFacts, _ target: IOTarget) {
        count_marker_reset()
        guard let start = facts.dataStart, let size = facts.dataSize else {
            print("ranges none: no persistent-memory device behind this target, or not root")
            return
        }
        count_marker_range(
            0, UInt32(COUNT_VIRTUAL),
            Self.vmemmap + start / Self.pageBytes * Self.structPageBytes,
            size / Self.pageBytes * Self.structPageBytes)
        let device = facts.memmapStart ?? start
        let base = emulatorAddresses[target.name] ?? device
        if facts.structPagesOnDevice, device < start {
            count_marker_range(1, UInt32(COUNT_PHYSICAL), base, start - device)
        }
        count_marker_range(2, UInt32(COUNT_PHYSICAL), base + (start - device), size)
        print(
            "ranges target=\(target.name) device=0x\(String(device, radix: 16)) "
                + "data=0x\(String(start, radix: 16)) size=\(size)")
    }

    private func count(_ configuration: IOConfiguration, _ target: IOTarget) {
        let name =
            "\(target.name).\(configuration.operation.rawValue)"
            + (configuration.blockSize > 0 ? ".\(configuration.blockSize)" : "")
        do {
            if target.isDevice && configuration.operation.needsFile {
                throw BenchError("not possible on devdax")
            }
            try configuration.operation.perform(
                CountedPhase(
                    name: name, configuration: configuration, target: target, source: source,
                    count: configuration.operation == .openPrefault ? 1 : count))
            print(
                "counted name=\(name) operations="
                    + "\(configuration.operation == .openPrefault ? 1 : count)")
        } catch {
            print("skipped name=\(name) reason=\(error)")
        }
    }

    private struct CountedPhase: IOBodyTask {
        let name: String
        let configuration: IOConfiguration
        let target: IOTarget
        let source: SourceFile?
        let count: Int

        func run<B: IOBody>(_ type: B.Type) throws {
            let context = IOContext(
                target: target, blockSize: configuration.blockSize, thread: 0, source: source)
            var loop = IOLoop(
                body: try B(context),
                offsets: OffsetSource(
                    size: target.size, blockSize: max(1, configuration.blockSize),
                    pattern: configuration.pattern, thread: 0, threads: 1, seed: 1))
            defer { loop.body.finish() }
            // Code paths, allocators and page tables are warm before the first counted operation;
            // a fault is counted on a fresh mapping that `renew` has made.
            try loop.repeatExactly(8)
            if loop.body.isExhausted { try loop.body.renew() }
            count_marker_begin(name)
            try loop.repeatExactly(count)
            count_marker_end()
        }
    }
}
