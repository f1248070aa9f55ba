/// Opening a pool, from top to bottom: the table, the checkpoint, the replay of what it does not
/// cover, and the writes that make the pool ready for more.
///
/// Invariants (numbers from docs/crash-model.md):
/// - I10: nothing is ever appended behind a tail that a crash left: such an extent is sealed,
///   durably, before the first new record. Only after a clean close is an extent continued.
/// - I13: opening read-only changes no byte of the pool; it recovers in DRAM alone.
/// - Recovery is idempotent: it writes only seals, free states and the superblock, each of which a
///   second recovery finds and takes as it is.
struct Recovery {
    let log: Log
    let records: RecordIndex
    let liveness: Liveness
    let space: Space
    let options: EngineOptions
    let checkpoint: LoadedCheckpoint
    let features: Superblock.Features
    var report = RecoveryReport()
    /// The keys in order, where that was asked for.
    private(set) var ordered: OrderedTrees?
    /// Extents that a clean close left open without a tail word (I14: none).
    var unprovenTails = 0
    /// Open extents with everything in them, for adoption or sealing.
    var open: [(extent: SegmentNumber, contents: ExtentContents)] = []

    /// Recovers the pool on a medium.
    ///
    /// - Complexity: after a clean close the checkpoint; after a crash the summaries of all
    ///   extents it does not cover, and the records of the open ones.
    static func open(
        _ medium: Medium, path: String, options: EngineOptions, index: IndexKind, readOnly: Bool
    ) throws(StoreError) -> Recovery {
        let started = MonotonicClock.seconds
        var damage = DamageLog(.strict)
        let table = try PoolTable(
            reading: medium, path: path, toFill: options.fillsPool, log: &damage)
        var recovery = try Recovery(medium, table, options, readOnly: readOnly)
        try recovery.replay()
        if readOnly {
            recovery.space.continued = recovery.continued
        } else {
            try recovery.makeWritable()
        }
        if index == .ordered { recovery.ordered = try recovery.makeOrderedIndex() }
        recovery.report.seconds = MonotonicClock.seconds - started
        return recovery
    }

    /// Builds the rooms over what table and checkpoint say.
    private init(
        _ medium: Medium, _ table: PoolTable, _ options: EngineOptions, readOnly: Bool
    ) throws(StoreError) {
        self.options = options
        features = table.superblock.features
        let gate = Gate(isReadOnly: readOnly)
        let segments = Segments(
            geometry: table.geometry, size: table.size, poolID: table.superblock.poolID,
            medium: medium)
        segments.adopt(table.segments)
        let root = Superblocks(table.superblock, newest: table.newestCopy, medium: medium)
        let sequences = Sequences(step: options.sequenceStep, root: root, gate: gate)
        sequences.begin(at: table.superblock.sequenceLimit)
        log = Log(
            medium: medium, segments: segments, root: root, sequences: sequences, gate: gate,
            heads: options.heads)
        checkpoint = try LoadedCheckpoint(
            reading: table, medium, threads: options.recoveryThreads)
        records = RecordIndex(
            index: checkpoint.index, log: log, verifiesReads: options.verifiesReads)
        liveness = Liveness(records: records)
        checkpoint.count(into: liveness)
        space = Space(
            log: log, records: records, liveness: liveness, checkpoint: checkpoint.extent,
            options: options)
        report.wasClean = table.superblock.isClean
        report.damagedSuperblocks = table.damagedCopies
        report.usedCheckpoint = checkpoint.isLoaded
        report.checkpointRecords = checkpoint.isLoaded ? checkpoint.index.count : 0
    }

    var segments: Segments { log.segments }
    var geometry: Geometry { log.geometry }
    var reader: ExtentReader {
        ExtentReader(medium: log.medium, geometry: geometry, seed: records.index.seed)
    }
}
