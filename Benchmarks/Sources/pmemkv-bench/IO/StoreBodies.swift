import Foundation
import PmemKV

/// The store's own put and get on either I/O path; values have the size of the block. The pool is
/// filled before anything is timed; a put overwrites.
protocol StorePath {
    static var io: IOPath { get }
}

enum MappedStorePath: StorePath { static var io: IOPath { .mapped } }
enum SyscallStorePath: StorePath { static var io: IOPath { .syscalls } }

/// One pool for all threads of a measurement; the last one to leave closes and removes it.
private final class SharedPool: @unchecked Sendable {
    let store: PmemStore
    let path: String
    let isDevice: Bool
    let keys: Int
    private static let lock = NSLock()
    nonisolated(unsafe) private static var open: (pool: SharedPool, users: Int)?

    private init(_ context: IOContext, _ io: IOPath) throws {
        let target = context.target
        guard target.isDevice || target.directory != nil else {
            throw BenchError("the store's operations need a directory or a device as target")
        }
        isDevice = target.isDevice
        path =
            target.isDevice
            ? target.path : target.directory! + "/pmemkv-bench-io-\(getpid()).pool"
        // Half the room is live data, at most 100,000 values.
        keys = max(16, min(100_000, target.size / 2 / (context.blockSize + 128)))
        var options = CreateOptions()
        options.size = target.isDevice ? nil : max(target.size, 64 << 20)
        options.overwrite = true
        options.open.io = io
        store = try PmemStore.create(at: path, options: options)
        let value = [UInt8](repeating: 0x2e, count: context.blockSize)
        for index in 0..<keys {
            try withUnsafeBytes(of: UInt64(index).bigEndian) { key in
                try store.put(value.span.bytes, forKey: key.bytes, durability: .relaxed)
            }
        }
        try store.sync()
    }

    static func enter(_ context: IOContext, _ io: IOPath) throws -> SharedPool {
        lock.lock()
        defer { lock.unlock() }
        if let (pool, users) = open {
            open = (pool, users + 1)
            return pool
        }
        let pool = try SharedPool(context, io)
        open = (pool, 1)
        return pool
    }

    static func leave() {
        lock.lock()
        defer { lock.unlock() }
        guard let (pool, users) = open else { return }
        open = users > 1 ? (pool, users - 1) : nil
        if users == 1 {
            try? pool.store.close()
            if !pool.isDevice { unlink(pool.path) }
        }
    }
}

/// What is done with the store under one key; the buffer has the size of a block.
protocol StoreOperation {
    static func perform(
        _ store: PmemStore, _ key: UnsafeRawBufferPointer, _ block: UnsafeMutableRawBufferPointer
    ) throws
}

enum StorePut: StoreOperation {
    @inline(__always)
    static func perform(
        _ store: PmemStore, _ key: UnsafeRawBufferPointer, _ block: UnsafeMutableRawBufferPointer
    ) throws {
        try store.put(UnsafeRawBufferPointer(block).bytes, forKey: key.bytes)
    }
}

enum StoreGet: StoreOperation {
    @inline(__always)
    static func perform(
        _ store: PmemStore, _ key: UnsafeRawBufferPointer, _ block: UnsafeMutableRawBufferPointer
    ) throws {
        if try store.get(key, into: block) != block.count { throw BenchError("get: wrong size") }
    }
}

struct StoreBody<Operation: StoreOperation, Path: StorePath>: IOBody {
    private let pool: SharedPool
    private let store: PmemStore
    private let buffer: IOBuffer
    private let size: Int

    init(_ context: IOContext) throws {
        pool = try SharedPool.enter(context, Path.io)
        store = pool.store
        buffer = IOBuffer(context.blockSize)
        size = context.blockSize
    }

    @inline(__always)
    func perform(_ offset: Int) throws {
        let block = UnsafeMutableRawBufferPointer(start: buffer.bytes, count: size)
        try withUnsafeBytes(of: UInt64(offset / size % pool.keys).bigEndian) { key in
            try Operation.perform(store, key, block)
        }
    }

    func finish() {
        buffer.deallocate()
        SharedPool.leave()
    }
}
