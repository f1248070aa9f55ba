import CPmem
import Glibc

/// Words that the threads of a stress share, and what went wrong first.
final class StressCells: @unchecked Sendable {
    private let words: UnsafeMutableRawPointer
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var problemText: String?

    init(_ count: Int) {
        words = .allocate(byteCount: count * 8, alignment: 64)
        words.initializeMemory(as: UInt64.self, repeating: 0, count: count)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        words.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    subscript(number: Int) -> UInt64 {
        get { cpmem_load_acquire(words + number * 8) }
        set { cpmem_store_release(words + number * 8, newValue) }
    }

    func add(_ amount: UInt64, to number: Int) { _ = cpmem_fetch_add(words + number * 8, amount) }

    var problem: String? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return problemText
    }

    func report(_ text: String) {
        pthread_mutex_lock(mutex)
        if problemText == nil { problemText = text }
        pthread_mutex_unlock(mutex)
    }
}
