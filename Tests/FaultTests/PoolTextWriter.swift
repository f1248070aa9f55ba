// Writes the pools of Tests/Pools, once for each version of the format.
//
//     PMEMKV_WRITE_FIXTURES=1 swift test --filter PoolTextWriter
//
// A text is what programs of its version left behind, so it is never written again: not when this
// file changes, and not when later code of the same version places things otherwise. A new version
// adds its own texts and keeps the old ones; a file that is there is left as it is.

import CPmem
import Foundation
import PmemKV
import PmemKVTesting
import Testing

private let isAskedFor = ProcessInfo.processInfo.environment["PMEMKV_WRITE_FIXTURES"] == "1"

@Suite("PoolTextWriter", .enabled(if: isAskedFor))
struct PoolTextWriter {
    @Test("Pools of this version become text")
    func write() throws {
        try write("closed", Self.aboutClosed) { pool throws(StoreError) in try pool.writeClosed() }
        try write("crashed", Self.aboutCrashed) { pool throws(StoreError) in
            try pool.writeCrashed()
        }
        try write("spanning", Self.aboutSpanning) { pool throws(StoreError) in
            try pool.writeSpanning()
        }
    }

    private func write(
        _ name: String, _ about: String, _ history: (inout Author) throws(StoreError) -> Void
    ) throws {
        let file = PoolText.file("version-\(CPMEM_FORMAT_VERSION)-\(name)")
        guard !FileManager.default.fileExists(atPath: file.path) else { return }
        var author = try Author()
        try history(&author)
        let pool = PoolText(bytes: author.image.snapshot, contents: author.contents)
        let text = pool.text(heading: about + "\n\n" + Self.aboutAll)
        #expect(PoolText(parsing: text) == pool)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    private static let aboutAll = """
        Written once by the program of that time, and never again: what it shows is that such a
        pool still opens. Tests/FaultTests/PoolText.swift says how to read it, docs/format.md what
        the bytes mean.
        """

    private static let aboutClosed = """
        A pool of format version \(CPMEM_FORMAT_VERSION) that was closed cleanly. Segments of 1 KiB;
        an index checkpoint, and records behind it in an extent that is still open and has a tail
        word; sealed extents with summaries, one of them of several segments; segments in their
        second life; keys of 1, 255 and 1000 bytes, overwritten and removed ones; a batch.
        """

    private static let aboutCrashed = """
        A pool of format version \(CPMEM_FORMAT_VERSION) as a crash left it. Segments of 1 KiB; two
        open extents, one with a batch whose second record is torn and whose third is missing; a
        tombstone that still hides an older version of its key; sealed extents with summaries, one
        of them of several segments; segments in their second life; no checkpoint.
        """
}

extension PoolTextWriter {
    fileprivate static let aboutSpanning = """
        A pool of format version \(CPMEM_FORMAT_VERSION), with the feature of batches that go on
        from one extent to another, as a crash left it behind such a batch. Segments of 1 KiB; the
        extents that end inside the batch are not sealed yet, and it has a record longer than a
        segment in an extent of its own.
        """
}

/// Writes to a pool and notes what has to be in it.
private struct Author {
    private let shape: PoolShape = {
        var shape = PoolShape()
        shape.segments = 14
        shape.checkpointThreshold = 8
        return shape
    }()
    let image: PoolImage
    private let scratch: ScratchMedium
    private var store: PmemStore
    private(set) var contents: [[UInt8]: [UInt8]] = [:]
    private var step = 0

    init() throws(StoreError) {
        image = PoolImage(size: shape.poolSize)
        scratch = ScratchMedium(image)
        store = try PmemStore.open(
            on: scratch, formatSegmentSize: shape.segmentSize, options: shape.options)
    }

    /// A different text for each step, and one letter up to the length.
    private mutating func value(_ length: Int) -> [UInt8] {
        step += 1
        let text = Array("value \(step) ".utf8)
        let filler = [UInt8](repeating: 0x60 + UInt8(step % 26), count: length)
        return Array((text + filler).prefix(length))
    }

    private mutating func put(_ key: [UInt8], _ length: Int) throws(StoreError) {
        let value = value(length)
        try store.put(value, forKey: key)
        contents[key] = value
    }

    private mutating func put(_ key: String, _ length: Int) throws(StoreError) {
        try put(Array(key.utf8), length)
    }

    private mutating func remove(_ key: String) throws(StoreError) {
        try store.remove(key)
        contents[Array(key.utf8)] = nil
    }

    /// Fills segments, empties most of what is in them, and uses some a second time.
    private mutating func fillAndReuse() throws(StoreError) {
        try put("many bytes", 2100)
        try put([UInt8](repeating: 0x6B, count: 255), 65)
        for number in 0..<3 { try put("short-lived \(number)", 300) }
        try put("hidden", 64)
        try put("kept", 63)
        for number in 0..<3 { try put("short-lived \(number)", 300) }
        for number in 0..<3 { try remove("short-lived \(number)") }
        try store.compact()
        for number in 0..<4 { try put("again \(number)", 300) }
        try put("many bytes", 2200)
    }

    mutating func writeClosed() throws(StoreError) {
        try fillAndReuse()
        try put([UInt8](repeating: 0x6C, count: 1000), 1)
        try put("a", 1)
        try put("nothing", 0)
        try put("a", 64)
        try remove("again 0")
        try store.close()
        // Too little to make this close write another checkpoint.
        store = try PmemStore.open(on: scratch, options: shape.options)
        var batch = WriteBatch()
        for (key, length) in [("a", 1), ("batched", 63), ("batched too", 0)] {
            let value = value(length)
            batch.put(value, forKey: key)
            contents[Array(key.utf8)] = value
        }
        batch.remove("again 1")
        contents[Array("again 1".utf8)] = nil
        try store.apply(batch)
        try put("behind the checkpoint", 65)
        try store.close()
    }

    mutating func writeCrashed() throws(StoreError) {
        try fillAndReuse()
        try put("a", 1)
        try remove("hidden")
        try put("a", 65)
        try put("nothing", 0)
        let before = scratch.changes
        var batch = WriteBatch()
        for key in ["a", "kept", "batched"] { batch.put(value(70), forKey: key) }
        try store.apply(batch)
        // Three records of nearly the same bytes: the middle of the changes is in the second.
        scratch.rollBack(to: (before + scratch.changes) / 2)
        store.abandon()
    }

    mutating func writeSpanning() throws(StoreError) {
        try put("before", 300)
        var batch = WriteBatch()
        for (key, length) in [("a", 400), ("b", 400), ("before", 300), ("long", 1500), ("z", 1)] {
            let value = value(length)
            batch.put(value, forKey: key)
            contents[Array(key.utf8)] = value
        }
        try store.apply(batch)
        // The seals are stored last.
        while PoolBytes(image.snapshot).endsInsideBatches < 3 {
            scratch.rollBack(to: scratch.changes - 1)
        }
        store.abandon()
    }
}
