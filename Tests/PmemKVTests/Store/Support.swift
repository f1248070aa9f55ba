import CPmem
import Foundation
import Testing

@testable import PmemKV

/// A pool file that goes away with its owner. On /dev/shm with PMEM_IS_PMEM_FORCE=1 the
/// flush-and-fence path is the one under test, elsewhere msync.
final class TemporaryPool: @unchecked Sendable {
    let path: String

    init(directory: String = "/dev/shm") {
        path = "\(directory)/pmemkv-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).pool"
    }

    deinit { unlink(path) }

    func create(
        _ size: Int, segmentSize: Int? = nil, _ change: (inout OpenOptions) -> Void = { _ in }
    ) throws(StoreError) -> PmemStore {
        var options = CreateOptions(size: size, segmentSize: segmentSize)
        change(&options.open)
        return try PmemStore.create(at: path, options: options)
    }

    func open(_ change: (inout OpenOptions) -> Void = { _ in }) throws(StoreError) -> PmemStore {
        var options = OpenOptions()
        change(&options)
        return try PmemStore.open(at: path, options: options)
    }
}

/// A word that threads share.
final class SharedCount: @unchecked Sendable {
    private let word = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
    init() { word.storeBytes(of: 0, as: UInt64.self) }
    deinit { word.deallocate() }
    var value: UInt64 { cpmem_load_acquire(word) }
    func add(_ amount: UInt64 = 1) { _ = cpmem_fetch_add(word, amount) }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Runs body on so many threads of their own at once; concurrentPerform would run no more of
/// them at a time than there are processors.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    for number in 0..<count {
        group.enter()
        Thread {
            body(number)
            group.leave()
        }.start()
    }
    group.wait()
}

/// Waits until something holds; whether it did within a time that only a broken program needs.
@discardableResult
func eventually(within seconds: Double = 20, _ holds: () -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    while !holds() {
        if Date() > end { return false }
        usleep(100)
    }
    return true
}

func text(_ span: RawSpan) -> String {
    String(decoding: span.withByteView { $0.array }, as: UTF8.self)
}

/// A store in a pool of small segments.
func store(_ index: IndexKind, size: Int = 2 << 20) throws -> PmemStore {
    try TemporaryPool().create(size, segmentSize: 16 << 10) { $0.index = index }
}

/// What a scan of a transaction shows.
func entries(
    _ tx: Transaction, _ range: KeyRange = .all, reverse: Bool = false,
    limit: Int? = nil
) throws(StoreError) -> [String] {
    var found: [String] = []
    try tx.scan(range, reverse: reverse, limit: limit) { key, value in
        found.append("\(text(key))=\(text(value))")
        return true
    }
    return found
}

/// Runs body in a forked child that ends with what it returns. The exit status; nil when the child
/// ended otherwise, or had not after ten seconds and was killed.
///
/// The child has this thread alone: body must not wait, nor be the first to need anything of the
/// runtime.
func statusOfForkedChild(_ body: () -> Int32) throws -> Int32? {
    // Swift refuses to name it.
    let symbol = try #require(dlsym(nil, "fork"))
    let fork = unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)
    let child = fork()
    if child == 0 { _exit(body()) }
    var word: Int32 = 0
    var ended: pid_t = 0
    for _ in 0..<10_000 where ended == 0 {
        ended = waitpid(child, &word, WNOHANG)
        if ended == 0 { usleep(1000) }
    }
    if ended == 0 {
        kill(child, SIGKILL)
        waitpid(child, &word, 0)
    }
    return ended == child && word & 0x7F == 0 ? word >> 8 & 0xFF : nil
}
