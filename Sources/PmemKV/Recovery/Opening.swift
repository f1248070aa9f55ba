import CPmem
import Glibc

/// Making an engine for a new pool or for one that is already there.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I10: nothing is ever appended behind a tail that a crash left: such an extent is sealed,
///   durably, before the first new record. Only after a clean close is an extent continued.
/// - I13: opening read-only changes no byte of the pool; it recovers in DRAM alone.
/// - Recovery is idempotent: it writes only seals, free states and the superblock, each of which a
///   second recovery finds and takes as it is.
extension Engine {
    /// Writes an empty pool over the whole medium. A given identity makes every byte of it a
    /// function of the arguments, so that a simulation can be repeated.
    package static func format(
        _ medium: Medium, segmentSize: Int?, identity: UInt64? = nil
    ) throws(StoreError) {
        let geometry = try Geometry(poolSize: medium.size, segmentSize: segmentSize)
        let poolID = identity ?? cpmem_random64()
        // An older pool's superblock must not outlive any byte of its table.
        let zeroes = [UInt8](repeating: 0, count: MemoryLayout<cpmem_superblock>.size)
        zeroes.withUnsafeBytes { bytes in
            for copy in 0..<2 {
                medium.copy(
                    bytes, to: copy * Int(CPMEM_SUPERBLOCK_STRIDE), site: .createTable)
            }
        }
        try medium.drain(site: .createTableDrain)
        writeTable(medium, geometry, poolID: poolID)
        try medium.drain(site: .createTableDrain)
        var block = cpmem_superblock()
        block.magic = CPMEM_MAGIC
        block.version = UInt32(CPMEM_FORMAT_VERSION)
        block.pool_id = poolID
        block.pool_size = UInt64(geometry.poolSize)
        block.segment_size = UInt64(geometry.segmentSize)
        block.segment_count = UInt64(geometry.segmentCount)
        block.table_offset = UInt64(geometry.tableOffset)
        block.data_offset = UInt64(geometry.dataOffset)
        block.sequence_limit = 1
        block.checkpoint_segment = CPMEM_NO_CHECKPOINT
        block.state = UInt64(CPMEM_POOL_CLEAN.rawValue)
        block.created = identity == nil ? UInt64(max(0, time(nil))) : 0
        var pair = SuperblockPair(creating: block)
        try pair.update(medium) { _ in }
        try pair.update(medium) { _ in }
    }

    private static func writeTable(_ medium: Medium, _ geometry: Geometry, poolID: UInt64) {
        let perChunk = 1024
        let words = UnsafeMutablePointer<cpmem_segment_line>.allocate(capacity: perChunk)
        defer { words.deallocate() }
        for start in stride(from: 0, to: geometry.segmentCount, by: perChunk) {
            let count = min(perChunk, geometry.segmentCount - start)
            for offset in 0..<count {
                var line = cpmem_segment_line()
                line.life =
                    LifeWord(
                        poolID: poolID, segment: start + offset, generation: 0, span: 1,
                        state: .free
                    ).rawValue
                (words + offset).initialize(to: line)
            }
            medium.copy(
                UnsafeRawBufferPointer(start: words, count: count * Geometry.line),
                to: geometry.line(ofSegment: start), site: .createTable)
        }
    }

    /// Opens the pool on a medium and recovers it.
    package static func open(
        _ medium: Medium, path: String, options: EngineOptions = EngineOptions(),
        index kind: IndexKind = .hash, readOnly: Bool = false
    ) throws(StoreError) -> (Engine, RecoveryReport) {
        let started = monotonicSeconds()
        let pair = try SuperblockPair(reading: medium, path: path)
        guard let geometry = Geometry(pair.block, mediumSize: medium.size) else {
            throw StoreError(
                .corrupt,
                """
                \(path) has \(medium.size) bytes; its superblock speaks of a pool of \
                \(pair.block.pool_size): the file was truncated, or the superblock is damaged
                """)
        }
        let segments = SegmentMap(
            geometry: geometry, poolID: pair.block.pool_id, medium: medium)
        try readTable(segments, medium, path: path)
        var report = RecoveryReport()
        report.wasClean = pair.block.state == UInt64(CPMEM_POOL_CLEAN.rawValue)
        report.damagedSuperblocks = pair.damagedCopies
        var loader = CheckpointLoader(segments: segments, medium: medium, block: pair.block)
        let index = try loader.makeIndex()
        let engine = Engine(
            medium: medium, superblock: pair, geometry: geometry, options: options,
            readOnly: readOnly, segments: segments, index: index,
            ordered: kind == .ordered ? OrderedIndex() : nil)
        engine[.forkCount] = cpmem_fork_count()
        engine.checkpointSegment = loader.checkpointSegment
        report.usedCheckpoint = loader.isLoaded
        report.checkpointRecords = loader.isLoaded ? index.count : 0
        var recovery = Recovery(engine: engine, coverage: loader.coverage, report: report)
        try recovery.run()
        if !readOnly { try recovery.makeWritable() }
        try engine.loadOrdered()
        report = recovery.report
        report.seconds = monotonicSeconds() - started
        return (engine, report)
    }

    static func monotonicSeconds() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
    }

    /// Reads every segment's line. A damaged one is fatal: what its segment holds decides which
    /// version of a key is the newest.
    private static func readTable(
        _ segments: SegmentMap, _ medium: Medium, path: String
    ) throws(StoreError) {
        let geometry = segments.geometry
        try medium.withBytes(
            at: geometry.tableOffset, count: geometry.segmentCount * Geometry.line
        ) { bytes throws(StoreError) in
            var segment = 0
            while segment < geometry.segmentCount {
                let line = bytes.loadUnaligned(
                    fromByteOffset: segment * Geometry.line, as: cpmem_segment_line.self)
                let life = LifeWord(rawValue: line.life)
                guard life.isValid(poolID: segments.poolID, segment: segment),
                    segment + life.span <= geometry.segmentCount, let state = life.state
                else {
                    throw damagedLine(segment, geometry, path)
                }
                adopt(segments, segment, life, state, line)
                // Segments inside an extent keep a life word of their own, which their own
                // next life goes on from.
                for inner in (segment + 1)..<max(segment + 1, segment + life.span) {
                    let own = LifeWord(
                        rawValue: bytes.loadUnaligned(
                            fromByteOffset: inner * Geometry.line, as: UInt64.self))
                    guard own.isValid(poolID: segments.poolID, segment: inner) else {
                        throw damagedLine(inner, geometry, path)
                    }
                    segments.adoptLife(ofContinuation: inner, own)
                }
                segment += life.span
            }
        }
    }

    private static func damagedLine(
        _ segment: Int, _ geometry: Geometry, _ path: String
    ) -> StoreError {
        StoreError(
            .corrupt,
            """
            the table line of segment \(segment) of \(path), at offset \
            \(geometry.line(ofSegment: segment)), is damaged; 'pmemkv repair' salvages what \
            is readable
            """)
    }

    private static func adopt(
        _ segments: SegmentMap, _ segment: Int, _ life: LifeWord, _ state: LifeWord.State,
        _ line: cpmem_segment_line
    ) {
        let sealWord = SealWord(rawValue: line.seal)
        let tailWord = TailWord(rawValue: line.tail)
        switch state {
        case .free: segments.adopt(segment, life: life, phase: .free)
        case .checkpoint: segments.adopt(segment, life: life, phase: .checkpoint)
        case .log:
            segments.adopt(segment, life: life, phase: .open)
            let capacity = life.span * segments.geometry.segmentUnits
            if tailWord.isValid(salt: segments.states[segment].salt),
                tailWord.endUnits <= capacity
            {
                segments.states[segment].provenUnits = tailWord.endUnits
            }
            if sealWord.isValid(salt: segments.states[segment].salt),
                sealWord.endUnits <= capacity
            {
                segments.markSealed(segment, endUnits: sealWord.endUnits)
            }
        }
    }
}
