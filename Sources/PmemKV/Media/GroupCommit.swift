import Glibc

/// Lets many waiting writers share one slow synchronisation.
///
/// Invariants:
/// - A synchronisation covers every request that was made before it began.
/// - One runs at a time; the thread that finds none running runs it for all who wait.
/// - After a failure every request fails: the kernel marks pages clean after a failed write-back,
///   so a later success proves nothing about them.
final class GroupCommit: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var requested: UInt64 = 0
    private var completed: UInt64 = 0
    private var isRunning = false
    private var failure: StoreError?
    private(set) var synchronisations: UInt64 = 0

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(condition)
        mutex.deallocate()
        condition.deallocate()
    }

    /// Keeps a failure that happened outside a synchronisation.
    func fail(_ error: StoreError) {
        pthread_mutex_lock(mutex)
        if failure == nil { failure = error }
        pthread_mutex_unlock(mutex)
    }

    /// The failure that every request will meet, if there is one.
    var currentFailure: StoreError? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return failure
    }

    /// Returns when a synchronisation that began after this call has completed.
    func commit(_ synchronise: () throws(StoreError) -> Void) throws(StoreError) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        requested += 1
        let mine = requested
        while completed < mine {
            if let failure { throw failure }
            if isRunning {
                pthread_cond_wait(condition, mutex)
                continue
            }
            isRunning = true
            let target = requested
            pthread_mutex_unlock(mutex)
            var outcome: StoreError?
            do throws(StoreError) { try synchronise() } catch { outcome = error }
            pthread_mutex_lock(mutex)
            isRunning = false
            synchronisations += 1
            if let outcome {
                if failure == nil { failure = outcome }
            } else {
                completed = target
            }
            pthread_cond_broadcast(condition)
        }
        if let failure { throw failure }
    }
}
