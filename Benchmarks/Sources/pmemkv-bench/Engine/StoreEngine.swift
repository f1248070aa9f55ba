import Foundation
import PmemKV

/// The project's own store, through its public interface.
final class StoreEngine: Engine {
    private let store: PmemStore
    private let kind: EngineKind
    private let relaxed: RelaxedSwitch
    let setup: String

    init(_ place: EnginePlace) throws {
        kind = place.kind
        var options = OpenOptions()
        options.index = place.kind.index ?? .hash
        let io = place.kind == .pmemkvSyscalls ? "syscalls" : place.store.io
        switch io {
        case "mapped": options.io = .mapped
        case "syscalls": options.io = .syscalls
        default: options.io = .automatic
        }
        let isDevice = KVRunner.isDevice(place.path)
        let path = isDevice ? place.path : place.path + "/store.pool"
        if place.isFresh {
            var creation = CreateOptions()
            creation.size = isDevice ? nil : place.profile.storePoolBytes
            creation.segmentSize = place.store.segmentBytes
            creation.overwrite = true
            creation.open = options
            store = try PmemStore.create(at: path, options: creation)
        } else {
            store = try PmemStore.open(at: path, options: options)
        }
        relaxed = RelaxedSwitch(place.kind == .pmemkvRelaxed)
        let info = store.mediumInfo
        setup =
            "\(options.index.rawValue) index, strategy \(info.strategy.rawValue): "
            + info.guarantee
    }

    func makeWorker(thread: Int) throws -> Worker {
        Worker(store: store, durability: relaxed.isOn ? .relaxed : .durable)
    }

    func setRelaxed(_ on: Bool) throws {
        relaxed.set(on || kind == .pmemkvRelaxed)
        if !on { try store.sync() }
    }

    func count() throws -> Int? { store.count }
    var usedCheckpoint: Bool? { store.recoveryReport.usedCheckpoint }

    /// Segments in use, whole: at small sizes the open ones count for more than they hold.
    func mediumBytesInUse() -> Int? {
        let numbers = store.statistics
        return (numbers.segments - numbers.freeSegments) * numbers.segmentBytes
    }

    /// Asked for after a fill, when nothing has been overwritten yet: every record written is live,
    /// or a copy that compaction made.
    func mediumBytesWritten() -> Int? {
        let numbers = store.statistics
        return numbers.liveBytes + numbers.tombstoneBytes + numbers.compactedBytes
    }

    func close() throws { try store.close() }

    struct Worker: EngineWorker {
        let store: PmemStore
        let durability: Durability
        private var batch = WriteBatch()
        /// Copies of the keys of a group, each in memory that is used again.
        private var group: [UnsafeRawBufferPointer] = []
        private var groupMemory: [UnsafeMutableRawBufferPointer] = []

        init(store: PmemStore, durability: Durability) {
            self.store = store
            self.durability = durability
        }

        mutating func addToBatch(
            _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
        ) { batch.put(value, forKey: key) }

        mutating func commitBatch() throws {
            try store.apply(batch, durability: durability)
            batch.removeAll()
        }

        mutating func addToGroup(_ key: UnsafeRawBufferPointer) {
            if group.count == groupMemory.count {
                groupMemory.append(.allocate(byteCount: 1 << 16, alignment: 64))
            }
            let memory = groupMemory[group.count]
            memory.copyMemory(from: key)
            group.append(UnsafeRawBufferPointer(rebasing: memory[..<key.count]))
        }

        mutating func readGroup(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            var hits = 0
            try store.withValues(forKeys: group) { _, value in
                guard let value else { return }
                value.withUnsafeBytes { buffer.copyMemory(from: $0) }
                hits += 1
            }
            group.removeAll(keepingCapacity: true)
            return hits
        }

        mutating func updateGroup(
            _ value: UnsafeRawBufferPointer, inTransaction: Bool
        ) throws -> Int {
            defer { group.removeAll(keepingCapacity: true) }
            var hits = 0
            guard inTransaction else {
                for key in group {
                    if try store.withValue(forKey: key, { _ in true }) == true { hits += 1 }
                }
                for key in group { batch.put(value, forKey: key) }
                try commitBatch()
                return hits
            }
            try store.transaction(durability: durability) { tx in
                hits = 0
                for key in group {
                    if try tx.withValue(forKey: key, { _ in true }) == true { hits += 1 }
                }
                for key in group { try tx.put(value, forKey: key) }
            }
            return hits
        }

        @inline(__always)
        func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws {
            try store.put(value.bytes, forKey: key.bytes, durability: durability)
        }

        @inline(__always)
        func get(
            _ key: UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
        ) throws -> Int {
            try store.get(key, into: buffer) ?? -1
        }

        @inline(__always)
        func remove(_ key: UnsafeRawBufferPointer) throws -> Bool {
            try store.remove(key, durability: durability)
        }

        func scan(
            from key: UnsafeRawBufferPointer?, limit: Int, into sink: inout ScanSink
        ) throws -> Int {
            var visited = 0
            var collected = sink
            let range = key.map { KeyRange(from: Array($0), to: nil) } ?? .all
            try store.scan(range, limit: limit == .max ? nil : limit) { key, value in
                key.withUnsafeBytes { keyBytes in
                    value.withUnsafeBytes { valueBytes in
                        collected.visit(
                            keyBytes.baseAddress.unsafelyUnwrapped, keyBytes.count,
                            valueBytes.baseAddress ?? keyBytes.baseAddress.unsafelyUnwrapped,
                            valueBytes.count)
                    }
                }
                visited += 1
                return true
            }
            sink = collected
            return visited
        }

        func finish() { groupMemory.forEach { $0.deallocate() } }
    }
}

/// Read when a worker is made; changed only between workloads.
private final class RelaxedSwitch: @unchecked Sendable {
    private(set) var isOn: Bool
    init(_ isOn: Bool) { self.isOn = isOn }
    func set(_ on: Bool) { isOn = on }
}
