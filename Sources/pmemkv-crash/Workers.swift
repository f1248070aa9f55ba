import Glibc
import PmemKVTesting

/// Runs numbered jobs on several threads.
enum Workers {
    /// Calls body with every number below count, each once, from `threads` threads.
    static func run(_ count: Int, threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let next = Counter()
        var handles = [pthread_t](repeating: 0, count: threads)
        for thread in 0..<threads {
            let work = Work {
                while true {
                    let number = next.take()
                    if number >= count { return }
                    body(number)
                }
            }
            var attributes = pthread_attr_t()
            pthread_attr_init(&attributes)
            pthread_attr_setstacksize(&attributes, 16 << 20)
            pthread_create(
                &handles[thread], &attributes,
                { argument in
                    Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                    return nil
                }, Unmanaged.passRetained(work).toOpaque())
        }
        for handle in handles { pthread_join(handle, nil) }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private final class Counter: @unchecked Sendable {
        private let lock = Lock()
        private var value = 0
        func take() -> Int {
            lock.with {
                defer { value += 1 }
                return value
            }
        }
    }
}

/// A mutex.
final class Lock: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    init() { pthread_mutex_init(mutex, nil) }
    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func with<R>(_ body: () -> R) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

/// What all threads found.
final class Findings: @unchecked Sendable {
    private let lock = Lock()
    private var tallyValue = Tally()
    private var failuresValue = 0

    var tally: Tally { lock.with { tallyValue } }
    var failures: Int { lock.with { failuresValue } }

    func add(_ tally: Tally) { lock.with { tallyValue += tally } }

    /// Counts a failure and prints the first few.
    func fail(_ text: @autoclosure () -> String) {
        let number = lock.with {
            failuresValue += 1
            return failuresValue
        }
        if number <= 5 {
            let text = text()
            lock.with { print("FAILURE \(number): \(text)") }
        }
    }

    /// Whether threads can be switched inside the engine; a failure when they cannot.
    func haveSchedulingPoints() -> Bool {
        if ThreadScheduler.hasSchedulingPoints { return true }
        fail("built without PMEMKV_INTERLEAVINGS: see scripts/crash")
        return false
    }

    func say(_ text: String) {
        lock.with {
            print(text)
            fflush(nil)
        }
    }
}
