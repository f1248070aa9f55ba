import Foundation
import Testing

@testable import pmemkv_bench

/// The index floor is what the store's gets are measured against: it must find what was put.
@Suite(.serialized) struct FloorTests {
    /// Each workload has workers of its own; what the next one writes must not destroy records.
    @Test func indexFloorFindsEveryKeyAfterOverwrites() throws {
        let directory = "/dev/shm/pmemkv-bench-floor-test-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        setenv("PMEM_IS_PMEM_FORCE", "1", 1)
        let sizes = SizeDistribution("40-80")!
        let profile = DatasetProfile(
            keys: 1000, keySizes: SizeDistribution("16")!, valueSizes: sizes, threads: 1,
            processors: 2, writesPerKey: 2)
        let floor = try IndexFloor(directory: directory, profile: profile)
        let keys = try KeyCodec(sizes: profile.keySizes)
        let values = ValueSource(sizes: sizes)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 64)
        let key = UnsafeMutableRawPointer.allocate(byteCount: keys.bufferBytes, alignment: 64)
        defer {
            values.deallocate()
            room.deallocate()
            key.deallocate()
        }
        func bytes(_ index: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(start: key, count: keys.write(index, to: key))
        }
        for (version, indexes) in [(1, 0..<1000), (2, 300..<700)] {
            var worker = try floor.makeWorker(thread: 0)
            for index in indexes {
                try worker.put(bytes(index), values.value(index, version: UInt32(version)))
            }
            worker.finish()
        }
        var reader = try floor.makeWorker(thread: 0)
        for index in 0..<1000 {
            let size = try reader.get(bytes(index), into: room)
            let version: UInt32 = (300..<700).contains(index) ? 2 : 1
            #expect(
                size >= 0
                    && values.matches(
                        UnsafeRawBufferPointer(rebasing: room[..<size]), index, version: version)
            )
        }
        reader.finish()
        try floor.close()
    }

    /// Room for what one thread writes, beside the region of the one that writes under readers.
    @Test(arguments: [1, 2, 7])
    func indexFloorHasRoomForEveryThread(_ threads: Int) {
        let profile = DatasetProfile(
            keys: 100_000, keySizes: SizeDistribution("16")!,
            valueSizes: SizeDistribution("200")!, threads: threads, processors: 2, writesPerKey: 3)
        let region = profile.indexFloorPoolBytes / (threads + 1)
        #expect(region * threads >= 100_000 * (16 + 200 + 8) * 3)
    }
}
