import Dispatch

/// Work of a store that goes on beside its callers, on a thread that is there only while there is
/// any.
///
/// Invariants:
/// - One job at a time; whoever asks while one runs has it look once more before it ends.
/// - After `stop` has returned no step runs, and none will: the mapping may go.
final class BackgroundWorker: Sendable {
    private let queue: DispatchQueue
    private let lines = SharedLines(1)
    private var state: AtomicWord { lines[0, 0] }
    private var stopped: AtomicWord { lines[0, 1] }

    private enum State {
        static let idle: UInt64 = 0
        static let running: UInt64 = 1
        /// Somebody asked since the job last looked.
        static let asked: UInt64 = 2
    }

    init(label: String) { queue = DispatchQueue(label: label, qos: .utility) }

    /// Calls step on the other thread until it returns false.
    func ask(_ step: @escaping @Sendable () -> Bool) {
        switch state.loadSequential() {
        case State.asked: return
        case State.running:
            if state.compareExchange(State.running, State.asked) { return }
            // It has just ended, or somebody else asked.
            return ask(step)
        default:
            guard state.compareExchange(State.idle, State.running) else { return ask(step) }
        }
        queue.async { [self] in
            repeat {
                while stopped.loadAcquire() == 0, step() {}
            } while !end()
        }
    }

    /// Ends the job, unless somebody asked meanwhile.
    private func end() -> Bool {
        if state.compareExchange(State.running, State.idle) { return true }
        state.storeRelease(State.running)
        return false
    }

    /// Waits for the step that runs. Not in a forked child, which has no other threads.
    func stop() {
        stopped.storeRelease(1)
        queue.sync {}
    }
}
