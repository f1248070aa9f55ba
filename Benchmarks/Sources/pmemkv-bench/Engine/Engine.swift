/// What every engine offers to the run loop, and nothing more.
///
/// The loop is generic over `EngineWorker` and every engine lives in this module, so the compiler
/// specialises it: an engine is called directly, without witness tables, boxes or reference counts.
/// A worker belongs to one thread. `Engine` objects are made and closed by one thread.

/// A failure of an engine or of the benchmark itself, as text for a person.
struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// One thread's way into an engine.
protocol EngineWorker {
    /// Stores `value` under `key`, durable on return unless the engine is marked as not durable.
    mutating func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws

    /// Copies the value into `buffer` and returns its size, or -1 when there is no such key.
    mutating func get(
        _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws -> Int

    /// Returns whether the key existed.
    mutating func remove(_ key: UnsafeRawBufferPointer) throws -> Bool

    /// Visits up to `limit` entries from `key` on in the engine's order; the number visited.
    mutating func scan(
        from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
    ) throws -> Int

    /// Adds a put to the batch that the next ``commitBatch()`` makes durable as one.
    mutating func addToBatch(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws
    mutating func commitBatch() throws

    /// Adds a key to those that the next ``readGroup(into:)`` reads in one call: it copies each
    /// value into `buffer` and returns how many there were.
    mutating func addToGroup(_ key: UnsafeRawBufferPointer) throws
    mutating func readGroup(into buffer: UnsafeMutableRawBufferPointer) throws -> Int

    /// Reads the keys of the group, and then puts one value under all of them, together: by a
    /// batch, or all of it in a transaction. Returns how many were there.
    mutating func updateGroup(
        _ value: UnsafeRawBufferPointer, inTransaction: Bool
    ) throws -> Int

    /// Releases what the worker holds.
    mutating func finish()
}

extension EngineWorker {
    mutating func addToBatch(
        _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws { throw BenchError("this engine is not measured with batches") }

    mutating func commitBatch() throws {
        throw BenchError("this engine is not measured with batches")
    }

    mutating func addToGroup(_ key: UnsafeRawBufferPointer) throws {
        throw BenchError("this engine is not measured with gets of many keys")
    }

    mutating func readGroup(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        throw BenchError("this engine is not measured with gets of many keys")
    }

    mutating func updateGroup(
        _ value: UnsafeRawBufferPointer, inTransaction: Bool
    ) throws -> Int {
        throw BenchError("this engine is not measured with transactions")
    }
}

/// What one engine is, as the tables show it.
struct EngineTraits: Sendable {
    /// Whether an acknowledged write outlives the loss of power on a medium that can do so.
    var isDurable = true
    /// How durability is reached, in a few words.
    var durability: String
    /// A physical floor: does the work of the medium alone, keeps no retrievable records.
    var isFloor = false
    /// Keeps keys in byte order, so that seekrandom and YCSB E make sense.
    var isOrdered = false
    /// Can be deleted from and counted, and returns what was put.
    var isStore = true
    /// Reopens with its contents.
    var isPersistent = true
}

/// An opened engine.
protocol Engine: AnyObject, Sendable {
    associatedtype Worker: EngineWorker
    func makeWorker(thread: Int) throws -> Worker

    /// Turns durability of single writes off (for untimed loading) and on again; when it is turned
    /// on, everything written before is made durable.
    func setRelaxed(_ relaxed: Bool) throws

    /// The number of keys, or nil for an engine that cannot say.
    func count() throws -> Int?

    /// Bytes of the medium in use, when the engine knows better than the file system.
    func mediumBytesInUse() -> Int?

    /// Bytes the engine wrote to its medium so far, when it knows.
    func mediumBytesWritten() -> Int?

    /// Whether opening took the index from what a clean close had left; nil for an engine that
    /// leaves none.
    var usedCheckpoint: Bool? { get }

    /// A short line on how the engine was set up.
    var setup: String { get }

    func close() throws
}

extension Engine {
    func setRelaxed(_ relaxed: Bool) throws {}
    func mediumBytesInUse() -> Int? { nil }
    func mediumBytesWritten() -> Int? { nil }
    var usedCheckpoint: Bool? { nil }
}

/// Takes what a scan visits: the value is copied, as by a caller who wants it, and the first bytes
/// of the keys are summed, so that nothing can be optimised away.
struct ScanSink {
    let buffer: UnsafeMutableRawBufferPointer
    /// Looks at every entry instead of taking it: for passes that are not timed.
    var check: UnsafeMutablePointer<ScanCheck>?
    var keySum: UInt64 = 0
    var bytes = 0

    init(buffer: UnsafeMutableRawBufferPointer) { self.buffer = buffer }

    init(check: UnsafeMutablePointer<ScanCheck>) {
        buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        self.check = check
    }

    @inline(__always)
    mutating func visit(
        _ key: UnsafeRawPointer, _ keySize: Int, _ value: UnsafeRawPointer, _ valueSize: Int
    ) {
        if let check {
            return check.pointee.visit(
                UnsafeRawBufferPointer(start: key, count: keySize),
                UnsafeRawBufferPointer(start: value, count: valueSize))
        }
        if keySize >= 8 { keySum &+= key.loadUnaligned(as: UInt64.self) }
        let size = min(valueSize, buffer.count)
        if size > 0 { buffer.baseAddress!.copyMemory(from: value, byteCount: size) }
        bytes &+= valueSize
    }
}
