/// The passes in which every figure's work is checked; nothing of them is timed.
extension KVSession {
    /// Reads every key that was ever put, compares its value byte for byte, and compares the count.
    func verify<E: Engine>(
        _ engine: E, _ state: ExpectedState, _ result: inout ChildResult
    ) throws {
        let values = ValueSource(sizes: plan.valueSize)
        defer { values.deallocate() }
        var worker = try engine.makeWorker(thread: 0)
        defer { worker.finish() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(64, plan.valueSize.largest) + keys.bufferBytes, alignment: 64)
        defer { buffer.deallocate() }
        let keyStart = buffer.baseAddress! + max(64, plan.valueSize.largest)
        let room = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<max(64, plan.valueSize.largest)])
        for (index, version) in state.versions.enumerated() {
            let size = keys.write(index, to: keyStart)
            let got = try worker.get(
                UnsafeRawBufferPointer(start: keyStart, count: size), into: room)
            let isRight =
                version == 0
                ? got < 0
                : got >= 0
                    && values.matches(
                        UnsafeRawBufferPointer(rebasing: room[..<min(got, room.count)]),
                        index, version: version)
            result.verified += 1
            if !isRight { result.isWrong("key \(index), version \(version): size \(got)") }
        }
        result.count = try engine.count()
        result.expectedCount = state.count
        if let count = result.count, count != state.count {
            result.isWrong("\(count) keys in the store, \(state.count) expected")
        }
    }

    /// Scans everything once, and from random keys where there is an order; compares every value,
    /// and, where there is an order, that no entry is left out or comes at the wrong place. Only if
    /// the run has scans: without an index of its own in order, an engine may sort all its keys.
    func verifyScans<E: Engine>(
        _ engine: E, _ state: ExpectedState, _ result: inout ChildResult
    ) throws {
        let traits = task.engine.traits
        guard
            plan.workloads.contains(where: { $0 == .readseq || traits.isOrdered && $0.needsOrder })
        else { return }
        var worker = try engine.makeWorker(thread: 0)
        defer { worker.finish() }
        let check = UnsafeMutablePointer<ScanCheck>.allocate(capacity: 1)
        check.initialize(
            to: ScanCheck(
                state: state, values: ValueSource(sizes: plan.valueSize),
                isOrdered: traits.isOrdered))
        let keyBuffer = UnsafeMutableRawPointer.allocate(
            byteCount: keys.bufferBytes, alignment: 64)
        defer {
            check.pointee.values.deallocate()
            check.deinitialize(count: 1)
            check.deallocate()
            keyBuffer.deallocate()
        }
        var sink = ScanSink(check: check)
        _ = try worker.scan(from: nil, limit: .max, into: &sink)
        check.pointee.endScan(limit: .max)
        var random = SplitMix(seed: plan.seed)
        for _ in 0..<(traits.isOrdered ? Self.checkedSeeks : 0) {
            let index = random.below(plan.keys)
            let size = keys.write(index, to: keyBuffer)
            check.pointee.beginScan(at: index)
            _ = try worker.scan(
                from: UnsafeRawBufferPointer(start: keyBuffer, count: size),
                limit: Workload.seekEntries, into: &sink)
            check.pointee.endScan(limit: Workload.seekEntries)
        }
        result.verifiedEntries += check.pointee.visited
        result.mismatches += check.pointee.wrong
        result.firstMismatch = result.firstMismatch ?? check.pointee.firstWrong
    }

    private static let checkedSeeks = 200
}

extension ChildResult {
    mutating func isWrong(_ what: String) {
        mismatches += 1
        firstMismatch = firstMismatch ?? what
    }
}

/// Compares what scans return with what the engine must hold.
struct ScanCheck {
    let state: ExpectedState
    let values: ValueSource
    let isOrdered: Bool
    private(set) var visited = 0
    private(set) var wrong = 0
    private(set) var firstWrong: String?
    private var inThisScan = 0
    /// No key below this index may come, if there is an order.
    private var lowest = 0

    init(state: ExpectedState, values: ValueSource, isOrdered: Bool) {
        self.state = state
        self.values = values
        self.isOrdered = isOrdered
    }

    mutating func beginScan(at index: Int) {
        inThisScan = 0
        lowest = index
    }

    @inline(never)
    mutating func visit(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        visited += 1
        inThisScan += 1
        let index = KeyCodec.index(of: key)
        if isOrdered {
            let due = firstLive(from: lowest)
            if index != due { note("a scan: key \(index) in the place of \(due ?? -1)") }
            lowest = index + 1
        }
        guard state.versions.indices.contains(index), state.versions[index] > 0 else {
            return note("a scan: key \(index) does not exist")
        }
        if !values.matches(value, index, version: state.versions[index]) {
            note("a scan: key \(index), version \(state.versions[index]): wrong value")
        }
    }

    /// Nothing may be left when a scan ends before its limit.
    mutating func endScan(limit: Int) {
        if isOrdered {
            if inThisScan > limit { note("a scan of \(inThisScan) entries, \(limit) wanted") }
            guard inThisScan < limit, let left = firstLive(from: lowest) else { return }
            note("a scan ends after \(inThisScan) entries, before key \(left)")
        } else if inThisScan != min(limit, state.count) {
            note("a scan of \(inThisScan) entries, \(state.count) expected")
        }
    }

    private func firstLive(from index: Int) -> Int? {
        guard index < state.versions.count else { return nil }
        return state.versions[index...].firstIndex { $0 > 0 }
    }

    private mutating func note(_ what: String) {
        wrong += 1
        firstWrong = firstWrong ?? what
    }
}
