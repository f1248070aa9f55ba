import Foundation
import Testing

@testable import pmemkv_bench

/// Every engine must do what the run loop believes it does: else its figures are worth nothing.
@Suite(.serialized) struct EngineTests {
    private struct Conformance: EngineTask {
        /// The first pass puts and deletes, the second finds what the first left.
        let fills: Bool
        let isOrdered: Bool

        func run<E: Engine>(_ open: @escaping () throws -> E) throws {
            let engine = try open()
            var worker = try engine.makeWorker(thread: 0)
            if fills {
                for number in 0..<300 { try put(&worker, number, "value \(number)") }
                for number in 0..<100 { try put(&worker, number, "other \(number)") }
                for number in 100..<150 {
                    #expect(try bytes("key \(number)").withUnsafeBytes { try worker.remove($0) })
                }
            }
            try check(&worker)
            try scan(&worker)
            worker.finish()
            #expect(try engine.count() == 250)
            try engine.close()
        }

        private func bytes(_ text: String) -> [UInt8] {
            // All keys of one length, so that their order is that of their numbers.
            Array((text + "................").utf8.prefix(16))
        }

        private func put<W: EngineWorker>(_ worker: inout W, _ number: Int, _ text: String) throws {
            try bytes("key \(number)").withUnsafeBytes { key in
                try Array(text.utf8).withUnsafeBytes { try worker.put(key, $0) }
            }
        }

        private func check<W: EngineWorker>(_ worker: inout W) throws {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
            defer { buffer.deallocate() }
            for number in 0..<310 {
                let size = try bytes("key \(number)").withUnsafeBytes {
                    try worker.get($0, into: buffer)
                }
                let isThere = number < 100 || (150..<300).contains(number)
                #expect((size >= 0) == isThere, "key \(number)")
                guard isThere, size >= 0 else { continue }
                let expected = number < 100 ? "other \(number)" : "value \(number)"
                #expect(Array(buffer[..<size]) == Array(expected.utf8))
            }
        }

        private func scan<W: EngineWorker>(_ worker: inout W) throws {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 8)
            defer { buffer.deallocate() }
            var sink = ScanSink(buffer: buffer)
            #expect(try worker.scan(from: nil, limit: .max, into: &sink) == 250)
            #expect(try worker.scan(from: nil, limit: 7, into: &sink) == 7)
            guard isOrdered else { return }
            let visited = try bytes("key 99").withUnsafeBytes {
                try worker.scan(from: $0, limit: 100, into: &sink)
            }
            #expect(visited == 1)
        }
    }

    @Test(arguments: EngineKind.allCases.filter { $0.traits.isStore && $0.packageToInstall == nil })
    func doesWhatTheLoopBelieves(_ kind: EngineKind) throws {
        setenv("PMEM_IS_PMEM_FORCE", "1", 1)
        let directory = "/dev/shm/pmemkv-bench-test-\(getpid())-\(kind.rawValue)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let profile = DatasetProfile(
            keys: 1000, keySizes: SizeDistribution("16")!, valueSizes: SizeDistribution("64")!,
            threads: 1, processors: 2, writesPerKey: 2)
        for isFresh in [true, false] {
            let place = EnginePlace(
                kind: kind, path: directory, profile: profile, store: StoreOptions(),
                isFresh: isFresh)
            try place.perform(Conformance(fills: isFresh, isOrdered: kind.traits.isOrdered))
        }
    }
}
