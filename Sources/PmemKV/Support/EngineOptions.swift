/// Tunables that tests set to small numbers.
package struct EngineOptions: Sendable {
    /// Writers that append at the same time without sharing a place.
    package var heads = 8
    /// Sequence numbers made available by one superblock update.
    package var sequenceStep: UInt64 = 1 << 22
    /// Records behind the last checkpoint from which on a clean close writes a new one; the
    /// next open replays fewer than that.
    package var checkpointThreshold = 65_536
    /// Threads that recovery uses at most.
    package var recoveryThreads = 4
    /// Whether reads verify the checksum of what they return.
    package var verifiesReads = true
    /// Segments kept back so that compaction can always run, and one more so that deletes can.
    package var compactionReserve = 1
    package var deleteReserve = 1
    /// What one step of compaction copies at most, in units of 64 bytes; nil for what is best.
    package var compactionStep: Int?
    /// Whether there may be a thread that compacts.
    package var compactsInBackground = true
    /// Longest wait, in rounds of ``SpinWait``, for readers that keep space from being reused.
    package var readerPatience = 4000
    /// The pool's identity when a supplied medium is formatted; random when nil.
    package var formatIdentity: UInt64?
    /// Whether the pool is one that is being filled: not complete before it is closed.
    package var fillsPool = false
    /// How a pool at a path makes its system calls.
    package var calls: any PoolCalls = KernelCalls()

    package init() {}
}
