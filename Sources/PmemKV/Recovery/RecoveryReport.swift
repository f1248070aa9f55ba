/// What opening a pool found and did.
public struct RecoveryReport: Sendable, Equatable {
    /// Whether the last user closed the pool.
    public var wasClean = false
    /// Whether the index came from a checkpoint.
    public var usedCheckpoint = false
    /// Records taken from the checkpoint.
    public var checkpointRecords = 0
    /// Records read from summaries.
    public var summaryRecords = 0
    /// Records read one by one.
    public var scannedRecords = 0
    /// Records that no checkpoint covered.
    var replayedRecords: Int { summaryRecords + scannedRecords }
    /// Extents that were open at the crash and have been sealed now.
    public var sealedExtents = 0
    /// Summaries that did not pass their checksum, so that records were walked instead.
    public var damagedSummaries = 0
    /// Superblock copies (0, 1) that did not pass their checksum; the other one was used.
    public var damagedSuperblocks: [Int] = []
    /// Records whose value is damaged; reading their key throws.
    public var damagedRecords = 0
    /// Wall-clock seconds from the first byte read to the index being complete, the ordered one
    /// as well where it was asked for.
    public var seconds = 0.0
}
