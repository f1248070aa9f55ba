import Glibc
import PmemKV

/// Writes with several threads while the pool grows, step by step, until the process is killed or
/// the pool is as large as it is to be.
///
/// arguments: pool= threads= keys= bytes= most= seed= index=hash|ordered io=
///
/// Each write is a batch: the thread's counter, and one of its `keys` keys in turn, with a value of
/// `bytes` bytes that begins with the count. First of all it looks whether that is what it finds,
/// and prints `pool BYTES` and `found THREAD COUNT`; later `THREAD COUNT` acknowledges so many
/// writes of a thread, `grow BYTES` tells what is tried, and `grown BYTES` acknowledges it.
struct Growth: Sendable {
    private let store: PmemStore
    private let threads: Int
    private let keys: Int
    private let bytes: Int
    private let most: Int
    private let seed: UInt64

    init(_ arguments: Arguments) throws {
        var options = OpenOptions()
        options.io = arguments.io
        options.index = arguments["index"] == "ordered" ? .ordered : .hash
        store = try PmemStore.open(at: arguments.string("pool"), options: options)
        threads = arguments.number("threads", default: 2)
        keys = arguments.number("keys", default: 1000)
        bytes = arguments.number("bytes", default: 16 << 10)
        most = arguments.number("most", default: 1 << 30)
        seed = UInt64(arguments.number("seed", default: 1))
    }

    func run() throws {
        say("pool \(store.statistics.poolBytes)")
        let counts = try (0..<threads).map(found)
        let failures = runThreads(threads + 1) { thread in
            guard thread < threads else { return try grow() }
            var count = counts[thread]
            while true {
                count += 1
                do throws(StoreError) {
                    try put(count, by: thread)
                    say("\(thread) \(count)")
                } catch {
                    guard error.code == .outOfSpace else { throw error }
                    count -= 1
                    if store.statistics.poolBytes >= most { throw error }
                    usleep(1000)
                }
            }
        }
        throw Mismatch(failures.joined(separator: "; "))
    }

    private func put(_ count: Int, by thread: Int) throws(StoreError) {
        var batch = WriteBatch()
        batch.put("\(count)", forKey: "counter \(thread)")
        batch.put(value(count, by: thread), forKey: "key \(thread) \(count % keys)")
        try store.apply(batch)
    }

    private func value(_ count: Int, by thread: Int) -> [UInt8] {
        let text = Array("\(thread) \(count) ".utf8)
        return text + [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: bytes)
    }

    /// What a thread has written; everything of it has to be there.
    private func found(_ thread: Int) throws -> Int {
        let text = try store.get("counter \(thread)") ?? []
        let count = Int(String(decoding: text, as: UTF8.self)) ?? 0
        for number in stride(from: count, to: max(0, count - keys), by: -1) {
            let value = try store.get("key \(thread) \(number % keys)")
            try expect(value == self.value(number, by: thread), "write \(number) of \(thread)")
        }
        say("found \(thread) \(count)")
        return count
    }

    /// About ten steps from a sixteenth to all.
    private func grow() throws {
        var random = Randomness(seed)
        while store.statistics.poolBytes < most {
            let bytes = min(most, store.statistics.poolBytes / 100 * 132)
            say("grow \(bytes)")
            try store.grow(to: bytes)
            say("grown \(bytes)")
            usleep(UInt32(random.below(30_000)))
        }
    }
}
