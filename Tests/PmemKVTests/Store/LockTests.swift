// A program that starts others while it closes and opens a pool got `locked` from its own lock: it
// lived on in the copy of the descriptor that a child has between fork and exec.

import Glibc
import PmemKV
import Synchronization
import Testing

@Suite("Locks")
struct LockTests {
    @Test("A copy of the descriptor in a child does not keep a closed pool locked")
    func childKeepsNoLock() throws {
        let pool = TemporaryPool(directory: "/tmp")
        var store = try pool.create(1 << 20)
        let done = onOtherThread {
            for _ in 0..<100 {
                var process: pid_t = 0
                var arguments = [strdup("/bin/true"), nil]
                posix_spawn(&process, "/bin/true", nil, nil, &arguments, nil)
                free(arguments[0])
                waitpid(process, nil, 0)
            }
        }
        while !done() {
            try store.close()
            store = try pool.open()
        }
        try store.close()
    }

    /// Runs body on a thread of its own; tells when it has ended.
    private func onOtherThread(_ body: @escaping @Sendable () -> Void) -> () -> Bool {
        let flag = Flag()
        let passed = Unmanaged.passRetained(Job(body: body, flag: flag)).toOpaque()
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                let job = Unmanaged<Job>.fromOpaque(argument!).takeRetainedValue()
                job.body()
                job.flag.raise()
                return nil
            }, passed)
        pthread_detach(thread)
        return { flag.isRaised }
    }

    private final class Job {
        let body: @Sendable () -> Void
        let flag: Flag

        init(body: @escaping @Sendable () -> Void, flag: Flag) {
            self.body = body
            self.flag = flag
        }
    }
}

/// Something that is raised once, by one thread, and seen by others.
private final class Flag: Sendable {
    private let word = Atomic(false)

    var isRaised: Bool { word.load(ordering: .acquiring) }
    func raise() { word.store(true, ordering: .releasing) }
}
