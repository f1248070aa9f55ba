import CPmem
import Synchronization

/// Whether operations may run on a store.
///
/// Invariants:
/// - A closed gate stays closed. Whoever got hold of a head, a shard or the compaction
///   lock after that finds it here and turns back (see ``Engine/close()``).
/// - Once a durability call has failed, every write is refused until the pool is opened again: the
///   kernel marks pages clean after a failed write-back, and a retry proves nothing.
/// - A forked child may not use its parent's store.
/// - What a callback decides on may not change under it: a transform writes nothing itself.
final class Gate: Sendable {
    /// ``Bit``s; zero for as long as everything may be done.
    private var state: AtomicWord { words[0] }
    private let words = SharedLines(1)
    private let failure = Mutex<StoreError?>(nil)
    private let forkCount = cpmem_fork_count()
    /// The callers' code that runs inside calls of this store.
    let callbacks = Callbacks()

    private enum Bit {
        static let closed: UInt64 = 1
        static let failed: UInt64 = 2
        static let readOnly: UInt64 = 4
    }

    init(isReadOnly: Bool) { state.storeRelease(isReadOnly ? Bit.readOnly : 0) }

    var isReadOnly: Bool { has(Bit.readOnly) }
    @inline(__always)
    var isClosed: Bool { has(Bit.closed) }
    var isFailed: Bool { has(Bit.failed) }

    @inline(__always)
    private func has(_ bit: UInt64) -> Bool { state.loadAcquire() & bit != 0 }

    @inline(__always)
    var isForked: Bool { cpmem_fork_count() != forkCount }

    /// Closes; false when it was closed already.
    func close() -> Bool {
        state.fetchOr(Bit.closed) & Bit.closed == 0
    }

    /// Refuses to close, which waits for all callbacks to end, to one of them.
    func checkOutsideCallbacks() throws(StoreError) {
        guard callbacks.areOnThisThread else { return }
        throw StoreError(
            .insideCallback,
            "a store cannot be closed from a callback of its own; let the callback return first")
    }

    @inline(__always)
    func checkReadable() throws(StoreError) {
        if isClosed || isForked { throw Self.closedError(isForked: isForked) }
    }

    @inline(__always)
    func checkWritable() throws(StoreError) {
        if state.loadAcquire() != 0 || isForked || callbacks.forbidWrites { throw refusalToWrite }
    }

    @inline(never)
    private static func closedError(isForked: Bool) -> StoreError {
        isForked
            ? StoreError(.closed, "this store belongs to the parent of this forked process")
            : StoreError(.closed, "the store has been closed")
    }

    @inline(never)
    private var refusalToWrite: StoreError {
        if isClosed || isForked { return Self.closedError(isForked: isForked) }
        if callbacks.forbidWrites {
            return StoreError(
                .insideCallback, "the transform of an update may read the store, not change it")
        }
        if isReadOnly { return StoreError(.readOnly, "the store was opened read-only") }
        let failure = failure.withLock { $0 }
        let cause = failure?.description ?? "an earlier write failed"
        return StoreError(
            failure?.code ?? .io, "the store refuses writes until it is opened again: \(cause)",
            cause: failure?.cause)
    }

    /// Makes the store refuse writes from now on. The first failure is the one that is told.
    func fail(_ error: StoreError) {
        failure.withLock { if $0 == nil { $0 = error } }
        state.fetchOr(Bit.failed)
    }

    /// Runs what must not fail half-way: any failure at all ends writing.
    @inline(__always)
    func failing<R: ~Copyable>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        do throws(StoreError) {
            return try body()
        } catch {
            fail(error)
            throw error
        }
    }

    /// Runs what may be refused for other reasons: only a failure of the medium ends writing.
    func guarded<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
        do throws(StoreError) {
            return try body()
        } catch {
            if error.code == .io || error.code == .media { fail(error) }
            throw error
        }
    }
}
