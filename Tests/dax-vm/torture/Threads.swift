import Glibc
import Synchronization

/// Runs `body` on `count` threads and gives back the errors they ended with.
func runThreads(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Void
) -> [String] {
    let failures = FailureList()
    let threads = (0..<count).map { number in
        startThread {
            do { try body(number) } catch { failures.add("\(error)") }
        }
    }
    for thread in threads { pthread_join(thread, nil) }
    return failures.all
}

/// Errors of several threads.
final class FailureList: Sendable {
    private let list = Mutex<[String]>([])
    func add(_ text: String) { list.withLock { $0.append(text) } }
    var all: [String] { list.withLock { $0 } }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func startThread(_ run: @escaping @Sendable () -> Void) -> pthread_t {
    var thread = pthread_t()
    let body = Unmanaged.passRetained(ThreadBody(run)).toOpaque()
    let result = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
            return nil
        }, body)
    precondition(result == 0, "pthread_create failed")
    return thread
}
