import Dispatch

/// Runs body for each number below count, on up to `threads` threads at once, and returns the
/// results in order, or throws the error of the lowest number that failed.
func inParallel<R>(
    _ count: Int, threads: Int, _ body: @escaping @Sendable (Int) throws(StoreError) -> R
) throws(StoreError) -> [R] {
    let work = NumberedWork<R>(count)
    let workers = max(1, min(threads, count))
    if workers == 1 {
        work.run(body)
    } else {
        DispatchQueue.concurrentPerform(iterations: workers) { _ in work.run(body) }
    }
    return try work.results()
}

/// Numbers to be worked on, each handed out once, and a place for the result of each.
///
/// Invariant: the results change under the lock, and are read when all threads are done.
private final class NumberedWork<R>: @unchecked Sendable {
    /// The next number in one line, the lock in another.
    private let lines = SharedLines(2)
    private let count: Int
    private var outcomes: [Result<R, StoreError>?]

    init(_ count: Int) {
        self.count = count
        outcomes = .init(repeating: nil, count: count)
    }

    func run(_ body: (Int) throws(StoreError) -> R) {
        while true {
            let number = Int(truncatingIfNeeded: lines[0, 0].fetchAdd(1))
            guard number < count else { return }
            let outcome = Result { () throws(StoreError) in try body(number) }
            SpinLock(lines[1, 0]).withLock { outcomes[number] = outcome }
        }
    }

    func results() throws(StoreError) -> [R] {
        var results: [R] = []
        results.reserveCapacity(count)
        for outcome in outcomes {
            guard let outcome else { preconditionFailure("a number was left out") }
            results.append(try outcome.get())
        }
        return results
    }
}
