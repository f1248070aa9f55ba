import CBench
import Foundation

/// The guest's side of an exact count: runs each operation a fixed number of times between marks
/// that the machine's plugin understands (see count_marker.h). Nothing is timed; under emulation
/// times mean nothing. The machine writes the counts; this prints which phase is what.
struct CountingRun {
    let plan: IOPlan
    let targets: [IOTarget]
    let source: SourceFile?
    let count: Int

    /// struct page of page frame N is at this address plus 64 N: kernels booted with nokaslr and
    /// four-level page tables.
    static let vmemmap: UInt64 = 0xffff_ea00_0000_0000
    static let structPageBytes: UInt64 = 64
    static let pageBytes: UInt64 = 4096

    func run() throws {
        guard count_marker_open() == 0 else { throw BenchError.system("map the marker page") }
        let environment = RunEnvironment(path: targets[0].path, pmemForced: plan.forcedPmem)
        for target in targets {
            let facts = DeviceFacts(path: target.path)
            declareRanges(facts)
            print(
                "target name=\(target.name) dax=\(bench_is_dax(target.path)) "
                    + "pages=\(word(facts.structPages)) sync=\(target.mapSyncAccepted ? 1 : 0) "
                    + "usercopy=\(word(environment.hardenedUsercopy.rawValue)) "
                    + "kernel=\(environment.kernel)")
            for configuration in plan.configurations {
                count(configuration, target)
            }
        }
    }

    private func word(_ text: String) -> String { text.replacingOccurrences(of: " ", with: "-") }

    /// Range 0: struct pages of the device's data, by kernel address. Range 1: the part of the
    /// device where they lie (map=dev), range 2: its data, both by physical address.
    private func declareRanges(_ facts: DeviceFacts) {
        count_marker_reset()
        guard let start = facts.dataStart, let size = facts.dataSize else {
            print("ranges none: no persistent-memory device behind this target, or not root")
            return
        }
        count_marker_range(
            0, UInt32(COUNT_VIRTUAL),
            Self.vmemmap + start / Self.pageBytes * Self.structPageBytes,
            size / Self.pageBytes * Self.structPageBytes)
        if let memmap = facts.memmapStart, memmap < start {
            count_marker_range(1, UInt32(COUNT_PHYSICAL), memmap, start - memmap)
        }
        count_marker_range(2, UInt32(COUNT_PHYSICAL), start, size)
        print(
            "ranges data=0x\(String(start, radix: 16)) size=\(size) "
                + "memmap=0x\(String(facts.memmapStart ?? start, radix: 16))")
    }

    private func count(_ configuration: IOConfiguration, _ target: IOTarget) {
        let name = "\(target.name).\(configuration.operation.rawValue)"
            + (configuration.blockSize > 0 ? ".\(configuration.blockSize)" : "")
        do {
            if target.isDevice && configuration.operation.needsFile {
                throw BenchError("not possible on devdax")
            }
            try configuration.operation.perform(
                CountedPhase(
                    name: name, configuration: configuration, target: target, source: source,
                    count: configuration.operation == .openPrefault ? 1 : count))
            print("counted name=\(name) operations="
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
