/// Lets many waiting writers share one slow synchronisation.
///
/// Invariants:
/// - A synchronisation covers every request that was made before it began.
/// - One runs at a time; the thread that finds none running runs it for all who wait.
/// - After a failure every request fails: the kernel marks pages clean after a failed write-back,
///   so a later success proves nothing about them.
final class GroupCommit: @unchecked Sendable {
    private let monitor = Monitor()
    private var requested: UInt64 = 0
    private var completed: UInt64 = 0
    private var isRunning = false
    private var failure: StoreError?

    /// Keeps a failure that happened outside a synchronisation.
    func fail(_ error: StoreError) {
        monitor.lock()
        if failure == nil { failure = error }
        monitor.unlock()
    }

    /// The failure that every request will meet, if there is one.
    var currentFailure: StoreError? {
        monitor.lock()
        defer { monitor.unlock() }
        return failure
    }

    /// Returns when a synchronisation that began after this call has completed.
    func commit(_ synchronise: () throws(StoreError) -> Void) throws(StoreError) {
        monitor.lock()
        defer { monitor.unlock() }
        requested += 1
        let mine = requested
        while completed < mine {
            if let failure { throw failure }
            if isRunning {
                monitor.wait()
                continue
            }
            isRunning = true
            let target = requested
            monitor.unlock()
            var outcome: StoreError?
            do throws(StoreError) { try synchronise() } catch { outcome = error }
            monitor.lock()
            isRunning = false
            if let outcome {
                if failure == nil { failure = outcome }
            } else {
                completed = target
            }
            monitor.wakeAll()
        }
        if let failure { throw failure }
    }
}
