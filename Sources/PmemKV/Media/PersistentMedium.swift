/// The one seam between the engine and the world: everything the engine does to a medium goes
/// through these calls.
///
/// Implementations: ``MsyncMedium`` (mapped, made durable by msync), ``SyscallMedium``
/// (read(2)/write(2)), and the simulated medium of the tests. ``Medium``, which the engine holds,
/// has the same calls, and the one way that is none of these: flush and fence.
///
/// Rules every implementation keeps:
/// - Offsets count bytes from the start of the pool.
/// - What a thread copied, flushed or stored is durable once a later ``drain(site:)`` of that
///   thread has returned. With ``drainCoversAllThreads`` the same holds for what any thread did
///   before the drain began.
/// - A failure of a copy, flush or store is kept and thrown by the next drain, and by every drain
///   after it: after a failed msync or fsync a retry proves nothing.
package protocol PersistentMedium: AnyObject, Sendable {
    /// Usable bytes, as of now.
    var size: Int { get }
    /// What keeps the medium from growing; nil when nothing does.
    var growthObstacle: String? { get }
    /// A read-only view of all bytes, or nil when reading takes ``read(at:into:)``.
    var readBase: UnsafeRawPointer? { get }
    /// Whether a drain also covers the earlier copies of other threads (group commit).
    var drainCoversAllThreads: Bool { get }
    /// Media faults seen so far under the view; a change during a read makes that read suspect.
    /// Each is one of those that the SIGBUS guard counts for all of the process, too.
    var faultCount: Int { get }
    /// Why an earlier copy, flush or store failed, if one did: what it was to write cannot even be
    /// read. Nil where such a failure shows otherwise (see ``faultCount``).
    var writeFailure: StoreError? { get }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError)
    /// Reads what is durable past every cache that can be passed by. Offset and length are
    /// multiples of a page, and so is the buffer's address.
    func readPastCaches(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError)
    /// Stores bytes and starts the write-back of every line they touch.
    func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite)
    /// Stores bytes; their write-back is left to a later flush.
    func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite)
    /// Starts the write-back of every line in the range, edges included.
    func flush(at offset: Int, count: Int, site: PersistSite)
    /// Stores an aligned 8-byte word atomically and starts the write-back of its line.
    func store(_ word: UInt64, to offset: Int, site: PersistSite)
    /// Returns when everything before it is durable.
    func drain(site: PersistSite) throws(StoreError)
    /// Sleeps until a drain that is under way has returned: whoever holds what this thread wants
    /// waits for it. With ``drainCoversAllThreads``.
    func awaitDrain()
    /// Whether the first use of room that was never used is slow: the file system then makes the
    /// blocks its own, one commit of its journal for each drain that meets some.
    var firstUseIsSlow: Bool { get }
    /// Makes room ready ahead of its use, where that has a cost (page faults, block allocation).
    /// Changes no byte, so that the room may be in use already.
    func prepare(at offset: Int, count: Int)
    /// Makes the bytes from `used` up to `bytes` usable: they are the medium's, durably, when this
    /// returns, and ``readBase`` is where it was. Those up to `used` are in use, and may be used
    /// meanwhile. One call at a time.
    ///
    /// - Throws: `unsupported` when there is an obstacle, `outOfSpace` when there is no room: then
    ///   the medium is as it was; and what a drain throws.
    func grow(to bytes: Int, from used: Int) throws(StoreError)
    /// Gives up the mapping and the lock. Nothing may use the medium afterwards.
    func close()
}

extension PersistentMedium {
    package var writeFailure: StoreError? { nil }
    package var firstUseIsSlow: Bool { false }
    package func awaitDrain() { SpinWait.giveWay() }
    package var growthObstacle: String? { "its medium has the size it has" }

    package func grow(to bytes: Int, from used: Int) throws(StoreError) {
        throw StoreError(.unsupported, "the pool cannot grow: \(growthObstacle ?? "")")
    }

    package func readPastCaches(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        unsafe try read(at: offset, into: buffer)
    }
}

/// A medium that lies in a file or device.
protocol FileMedium: PersistentMedium {
    /// Owner and mode; nil when the system does not tell.
    var attributes: FileAttributes? { get }
}

/// Every place of the engine that stores, flushes or drains, by name.
///
/// A simulated medium can ignore one of them; a test that does not notice is a test that is
/// missing, or the place is not needed.
package enum PersistSite: UInt8, CaseIterable, Sendable {
    case createTable
    case createTableDrain
    case growTable
    case growTableDrain
    case growSuperblock
    case growSuperblockDrain
    case superblock
    case superblockDrain
    case activateLife
    case activateDrain
    case record
    case recordDrain
    case batchDrain
    case batchSealDrain
    case relaxedRecord
    case relaxedFlush
    case syncDrain
    case summary
    case summaryDrain
    case seal
    case compactionRecord
    case compactionDrain
    case freeLife
    case freeDrain
    case checkpoint
    case checkpointDrain
    case tail
    case tailDrain
    case recoveryFlush
    case recoveryDrain
}
