import CBench
import Foundation

/// What one thread did.
struct ThreadOutcome: Sendable {
    var done = 0
    /// Entries visited by scans.
    var entries = 0
    /// Gets that found their key, and that did not.
    var hits = 0
    var misses = 0
    /// Key and value bytes handed over, in either direction; and those of puts and deletes alone.
    var bytes = 0
    var bytesPut = 0
    var start: UInt64 = 0
    var end: UInt64 = 0
    /// CPU time of the process so far, in seconds, seen by this thread before and after.
    var cpuAtStart = 0.0
    var cpuAtEnd = 0.0
    var latency = LatencyRecorder()
}

/// How long a thread goes on.
struct RunLimit: Sendable {
    /// Stop after this many operations (a stream may be shorter, or repeated).
    var operations = Int.max
    /// Stop after this many ticks; 0: no limit.
    var ticks: UInt64 = 0
    /// Record a latency per operation.
    var recordsLatency = true
    /// For the writer beside readers: goes on until this is raised.
    var stop: StopFlag?
}

/// The loop every engine runs in, specialised for each: nothing in it is dynamic.
///
/// One reading of the clock per operation: a latency is the time from the end of the operation
/// before to the end of this one, so the sum of all latencies is the run's time and the loop's own
/// few nanoseconds are counted, not hidden.
struct RunLoop<W: EngineWorker> {
    var worker: W
    let keys: KeyCodec
    let values: ValueSource
    let keyBuffer: UnsafeMutableRawPointer
    let readBuffer: UnsafeMutableRawBufferPointer
    var sink: ScanSink

    init(worker: W, keys: KeyCodec, valueSizes: SizeDistribution) {
        self.worker = worker
        self.keys = keys
        values = ValueSource(sizes: valueSizes)
        keyBuffer = .allocate(byteCount: keys.bufferBytes, alignment: 64)
        let readBytes = max(64, valueSizes.largest)
        readBuffer = .allocate(byteCount: readBytes, alignment: 64)
        // Warm and mapped before any measurement.
        readBuffer.initializeMemory(as: UInt8.self, repeating: 0)
        sink = ScanSink(buffer: readBuffer)
    }

    mutating func finish() {
        worker.finish()
        values.deallocate()
        keyBuffer.deallocate()
        readBuffer.deallocate()
    }

    @inline(never)
    mutating func run(_ stream: OperationStream, limit: RunLimit) throws -> ThreadOutcome {
        var outcome = ThreadOutcome()
        var latency = LatencyRecorder()
        try stream.operations.withUnsafeBufferPointer { operations in
            guard !operations.isEmpty else { return }
            let total =
                stream.repeats
                ? limit.operations : min(limit.operations, operations.count)
            var next = 0
            outcome.cpuAtStart = ProcessUsage.cpuSeconds
            let start = bench_ticks()
            let deadline = limit.ticks == 0 ? UInt64.max : start &+ limit.ticks
            var last = start
            while outcome.done < total {
                try perform(operations[next], stream.version, &outcome)
                outcome.done &+= 1
                next &+= 1
                if next == operations.count { next = 0 }
                if limit.recordsLatency {
                    let now = bench_ticks()
                    latency.record(now &- last)
                    last = now
                    if now >= deadline { break }
                } else if outcome.done & 63 == 0 {
                    last = bench_ticks()
                    if last >= deadline { break }
                }
                if let stop = limit.stop, stop.isRaised { break }
            }
            outcome.start = start
            outcome.end = bench_ticks()
            outcome.cpuAtEnd = ProcessUsage.cpuSeconds
        }
        outcome.latency = latency
        return outcome
    }

    @inline(__always)
    private mutating func perform(
        _ operation: Operation, _ version: UInt32, _ outcome: inout ThreadOutcome
    ) throws {
        // A value begins with its key's number, far below the top bit: the sum is the index, but
        // the processor has to wait for the value that the get before has copied.
        let index =
            operation.kind == .getDependent
            ? Int(operation.index) &+ Int(readBuffer.load(as: UInt64.self) >> 63)
            : Int(operation.index)
        let keySize = keys.write(index, missing: operation.kind == .getMissing, to: keyBuffer)
        let key = UnsafeRawBufferPointer(start: keyBuffer, count: keySize)
        switch operation.kind {
        case .put:
            try put(key, index, version, &outcome)
        case .get, .getMissing, .getDependent:
            try get(key, &outcome)
        case .groupGet, .groupEnd:
            try worker.addToGroup(key)
            if operation.kind == .groupEnd {
                outcome.hits &+= try worker.readGroup(into: readBuffer)
            }
            outcome.bytes &+= key.count
        case .updateEnd, .transactionEnd:
            let value = values.value(index, version: version)
            try worker.addToGroup(key)
            outcome.hits &+= try worker.updateGroup(
                value, inTransaction: operation.kind == .transactionEnd)
            outcome.bytes &+= key.count &+ value.count
        case .batchPut, .batchEnd:
            let value = values.value(index, version: version)
            try worker.addToBatch(key, value)
            if operation.kind == .batchEnd { try worker.commitBatch() }
            outcome.bytes &+= key.count &+ value.count
            outcome.bytesPut &+= key.count &+ value.count
        case .remove:
            if try worker.remove(key) { outcome.hits &+= 1 } else { outcome.misses &+= 1 }
            outcome.bytes &+= key.count
            outcome.bytesPut &+= key.count
        case .scan:
            let before = sink.bytes
            outcome.entries &+= try worker.scan(
                from: key, limit: Int(operation.length), into: &sink)
            outcome.bytes &+= sink.bytes &- before
        case .readModifyWrite:
            try get(key, &outcome)
            try put(key, index, version, &outcome)
        case .readAll:
            let before = sink.bytes
            outcome.entries &+= try worker.scan(from: nil, limit: .max, into: &sink)
            outcome.bytes &+= sink.bytes &- before
        }
    }

    @inline(__always)
    private mutating func put(
        _ key: UnsafeRawBufferPointer, _ index: Int, _ version: UInt32,
        _ outcome: inout ThreadOutcome
    ) throws {
        let value = values.value(index, version: version)
        try worker.put(key, value)
        outcome.bytes &+= key.count &+ value.count
        outcome.bytesPut &+= key.count &+ value.count
    }

    @inline(__always)
    private mutating func get(
        _ key: UnsafeRawBufferPointer, _ outcome: inout ThreadOutcome
    ) throws {
        let size = try worker.get(key, into: readBuffer)
        if size >= 0 {
            outcome.hits &+= 1
            outcome.bytes &+= key.count &+ size
        } else {
            outcome.misses &+= 1
        }
    }
}
