/// What a thread will do, decided before the clock starts.
///
/// An operation is a kind and a key index in 8 bytes; reading the next one costs a sequential load,
/// so the generators (zipfian ones call `pow`) cost nothing in the measured loop, and every engine
/// gets exactly the same operations in the same order.
struct Operation {
    enum Kind: UInt8 {
        case put, get, getMissing, remove, scan, readModifyWrite, readAll
        /// A get that cannot begin before the one in front of it has its value.
        case getDependent
        /// Puts of one batch; the last of them commits it.
        case batchPut, batchEnd
        /// Gets of one call; the last of them makes it.
        case groupGet, groupEnd
        /// Ends a group whose keys are read and then overwritten: by gets and a batch, or in a
        /// transaction.
        case updateEnd, transactionEnd
    }
    var index: UInt32
    var kind: Kind
    /// Entries to read, for a scan.
    var length: UInt16
}

/// The operations of one thread and how they may be repeated.
struct OperationStream {
    var operations: [Operation]
    /// May start over when time is left (not for inserts and deletes).
    var repeats: Bool
    /// Gets that must find their key are expected to; counted against what came back.
    var version: UInt32
}

/// Builds the streams of a workload: one per thread.
struct StreamBuilder {
    let keys: Int
    let operationsPerThread: Int
    let threads: Int
    let seed: UInt64

    func build(_ workload: Workload, version: UInt32, firstInsert: Int) -> [OperationStream] {
        switch workload {
        case .fillseq:
            return partition((0..<keys).map { UInt32($0) }, .put, version)
        case .fillrandom:
            return partition(shuffled(), .put, version)
        case .deleterandom:
            let chosen = shuffled().prefix(min(keys / 2, operationsPerThread * threads))
            return partition(Array(chosen), .remove, version)
        case .readwhilewriting:
            let readers = perThread { uniform(.get, &$0) }
            var random = SplitMix(seed: seed &+ 7919)
            let writer = uniform(.put, &random)
            return (readers + [writer]).map { stream($0, version, repeats: true) }
        case .readseq:
            let once = Operation(index: 0, kind: .readAll, length: 0)
            return perThread { _ in [once] }.map { stream($0, version, repeats: true) }
        case .overwrite: return repeated(version) { uniform(.put, &$0) }
        case .readrandom: return repeated(version) { uniform(.get, &$0) }
        case .readmissing: return repeated(version) { uniform(.getMissing, &$0) }
        case .seekrandom:
            return repeated(version) { uniform(.scan, &$0, length: Workload.seekEntries) }
        case .ycsbA, .ycsbB, .ycsbC, .ycsbD, .ycsbE, .ycsbF:
            return ycsb(workload, version, firstInsert)
        }
    }

    private func stream(
        _ operations: [Operation], _ version: UInt32, repeats: Bool
    ) -> OperationStream {
        OperationStream(operations: operations, repeats: repeats, version: version)
    }

    private func shuffled() -> [UInt32] {
        var random = SplitMix(seed: seed)
        var order = (0..<keys).map { UInt32($0) }
        order.shuffle(using: &random)
        return order
    }

    /// Deals the keys to the threads in turn; none occurs twice.
    private func partition(
        _ order: [UInt32], _ kind: Operation.Kind, _ version: UInt32
    ) -> [OperationStream] {
        (0..<threads).map { thread in
            let mine = stride(from: thread, to: order.count, by: threads)
                .map { Operation(index: order[$0], kind: kind, length: 0) }
            return stream(mine, version, repeats: false)
        }
    }

    private func perThread(_ make: (inout SplitMix) -> [Operation]) -> [[Operation]] {
        (0..<threads).map { thread in
            var random = SplitMix(seed: seed &+ UInt64(thread) &* 104_729)
            return make(&random)
        }
    }

    private func repeated(
        _ version: UInt32, _ make: (inout SplitMix) -> [Operation]
    ) -> [OperationStream] {
        perThread(make).map { stream($0, version, repeats: true) }
    }

    private func uniform(
        _ kind: Operation.Kind, _ random: inout SplitMix, length: Int = 0
    ) -> [Operation] {
        (0..<operationsPerThread).map { _ in
            Operation(
                index: UInt32(random.below(keys)), kind: kind, length: UInt16(length))
        }
    }
}

extension StreamBuilder {
    /// YCSB's core workloads. Inserts add keys behind the loaded ones, every thread its own, and a
    /// thread's "latest" keys are its own inserts and then the loaded ones, so that no read can
    /// meet a key which another thread has not put yet.
    private func ycsb(
        _ workload: Workload, _ version: UInt32, _ firstInsert: Int
    ) -> [OperationStream] {
        let zipfian = Zipfian(items: keys)
        return (0..<threads).map { thread in
            var random = SplitMix(seed: seed &+ 31 &+ UInt64(thread) &* 104_729)
            var inserted = 0
            let operations = (0..<operationsPerThread).map { _ -> Operation in
                let dice = random.below(100)
                let isInsert = dice >= 95 && (workload == .ycsbD || workload == .ycsbE)
                if isInsert {
                    defer { inserted += 1 }
                    let index = firstInsert + inserted * threads + thread
                    return Operation(index: UInt32(index), kind: .put, length: 0)
                }
                if workload == .ycsbD {
                    let age = zipfian.rank(&random)
                    let index =
                        age < inserted
                        ? firstInsert + (inserted - 1 - age) * threads + thread
                        : max(0, keys - 1 - (age - inserted))
                    return Operation(index: UInt32(index), kind: .get, length: 0)
                }
                let length = workload == .ycsbE ? 1 + random.below(100) : 0
                return Operation(
                    index: UInt32(zipfian.scrambled(&random)), kind: kind(workload, dice),
                    length: UInt16(length))
            }
            let inserts = workload == .ycsbD || workload == .ycsbE
            return stream(operations, version, repeats: !inserts)
        }
    }

    private func kind(_ workload: Workload, _ dice: Int) -> Operation.Kind {
        switch workload {
        case .ycsbA: dice < 50 ? .get : .put
        case .ycsbB: dice < 95 ? .get : .put
        case .ycsbE: .scan
        case .ycsbF: dice < 50 ? .get : .readModifyWrite
        default: .get
        }
    }
}
