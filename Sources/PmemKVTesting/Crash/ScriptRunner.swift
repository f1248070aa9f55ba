import PmemKV

/// Runs a script on a simulated medium and has the crash states before each drain looked at.
package final class ScriptRunner: MediumObserver {
    private let explorer: Explorer
    private let medium: SimulatedMedium
    private let keys: ScriptKeys
    private let options: OpenOptions
    private var oracle: Oracle
    private var script: Script
    private var stepNumber = 0
    private var drainInStep = 0
    private var explores = true
    private var failure: Failure?
    private let seed: UInt64
    /// A formatted, empty pool of this shape.
    private let blank: PoolImage
    /// Snapshots that have not been ended, and what they showed when they were taken.
    private var snapshots: [(snapshot: Snapshot, values: [[UInt8]?])] = []

    package init(explorer: Explorer, seed: UInt64) {
        self.explorer = explorer
        self.seed = seed
        let shape = explorer.shape
        options = shape.options
        keys = ScriptKeys(shape)
        medium = SimulatedMedium(
            size: shape.poolSize, capacity: shape.capacity, model: shape.model)
        oracle = Oracle(keys: shape.keys)
        script = Script(shape)
        blank = PoolImage(size: shape.capacity)
        medium.reset(to: nil)
        do throws(StoreError) {
            try PmemStore.open(
                on: medium, formatSegmentSize: shape.segmentSize, options: options
            ).close()
        } catch {
            fatalError("formatting a simulated pool: \(error)")
        }
        blank.copy(from: medium.visible)
    }

    package var uselessFlushes: Int { medium.uselessFlushes }
    package var usage: Set<Mutant> { medium.usage }

    /// Runs a script from an empty pool. Returns the first failure.
    package func run(_ script: Script) -> Failure? {
        self.script = script
        failure = nil
        snapshots = []
        oracle = Oracle(keys: script.shape.keys)
        explorer.tally.scripts += 1
        medium.observer = nil
        medium.mutant = explorer.mutant
        medium.recordsUsage = explorer.recordsUsage
        medium.reset(to: blank)
        stepNumber = -1
        explores = script.silentSteps == 0
        medium.observer = self
        defer { medium.observer = nil }
        do throws(StoreError) {
            var store = try PmemStore.open(on: medium, options: options)
            for (number, step) in script.steps.enumerated() {
                stepNumber = number
                drainInStep = 0
                explores = number >= script.silentSteps
                try run(step, number, on: &store)
                if failure != nil { break }
            }
            if failure == nil, !script.parallel.isEmpty { runParallel(store) }
            if failure == nil { try finish(store) }
            snapshots = []
            store.abandon()
        } catch {
            if failure == nil { fail("opening failed: \(error)", nil) }
        }
        return failure
    }

    private func finish(_ store: PmemStore) throws(StoreError) {
        medium.thread = 0
        explore(nil)
        while failure == nil, !snapshots.isEmpty { try endSnapshot() }
        if failure == nil, let problem = try checkLive(store) { fail(problem, nil) }
    }

    // MARK: Crashing

    package func willDrain(_ medium: SimulatedMedium, site: PersistSite) throws(StoreError) {
        explore(site)
        if failure != nil { throw SimulatedMedium.crash }
        let step = script.steps.indices.contains(stepNumber) ? script.steps[stepNumber] : nil
        defer { drainInStep += 1 }
        if let step, step.crashAt == drainInStep {
            crash(step.pick)
            throw SimulatedMedium.crash
        }
    }

    private func explore(_ site: PersistSite?) {
        guard explores, failure == nil else { return }
        func look() -> String? { explorer.explore(medium, oracle) }
        let problem = medium.scheduler.map { $0.holding(look) } ?? look()
        if let problem { fail(problem, site) }
    }

    private func fail(_ problem: String, _ site: PersistSite?) {
        failure = Failure(
            problem: problem, script: script, step: stepNumber, site: site, seed: seed)
    }

    /// The durable image becomes one of the possible crash states.
    private func crash(_ pick: UInt64) {
        var states = CrashStates(
            image: medium.durable, hash: medium.durableHash, pending: medium.pending,
            granule: medium.model.granule)
        states.choose(pick)
    }

    /// Recovers from the crash state and takes what is found for the truth.
    private func recover() throws(StoreError) -> PmemStore {
        medium.settle()
        let store = try PmemStore.open(on: medium, options: options)
        try settle(store)
        return store
    }

    /// What a recovered store says is what there is from now on.
    private func settle(_ store: PmemStore) throws(StoreError) {
        var found: [UInt64] = []
        if let problem = try explorer.judge(store, oracle, &found) {
            return fail("after recovery: \(problem)", nil)
        }
        for number in 0..<keys.count {
            oracle.settle(number, try keys.get(number, of: store))
        }
        let segments = store.statistics.segments
        if let problem = oracle.wrongSize(segments) { fail("after recovery: \(problem)", nil) }
        oracle.settle(segments: segments)
    }

    // MARK: Steps

    private func run(
        _ step: Step, _ number: Int, on store: inout PmemStore
    ) throws(StoreError) {
        do throws(StoreError) {
            if step.operation == .reopen {
                let moment = oracle.syncBegins()
                try store.close()
                snapshots = []
                oracle.synced(moment)
                store = try PmemStore.open(on: medium, options: options)
            } else if step.operation == .kill {
                store.abandon()
                snapshots = []
                medium.changeProcess()
                store = try PmemStore.open(on: medium, options: options)
                try settle(store)
            } else {
                try perform(step.operation, number, store)
            }
            // A relaxed write may have returned all the same.
            if !medium.isDead {
                guard step.crashAt != nil else { return }
                crash(step.pick)
            }
        } catch {
            if !medium.isDead {
                fail("step \(number) failed: \(error)", nil)
                return
            }
        }
        if failure != nil { return }
        store.abandon()
        snapshots = []
        // Nothing of this step may crash the recovery once more.
        drainInStep = .max / 2
        store = try recover()
    }

    private func perform(
        _ operation: Operation, _ number: Int, _ store: PmemStore
    ) throws(StoreError) {
        switch operation {
        case .put(let key, let length, let relaxed):
            let value = PoolShape.value(step: number, key: key, length: length)
            try write([(key, value)], relaxed: relaxed) { () throws(StoreError) in
                try keys.put(
                    value, key, in: store, durability: relaxed ? .relaxed : .durable)
                return true
            }
        case .remove(let key, let relaxed):
            try write([(key, nil)], relaxed: relaxed) { () throws(StoreError) in
                try keys.remove(key, of: store, durability: relaxed ? .relaxed : .durable)
            }
        case .batch(let entries, let relaxed):
            var batch = WriteBatch()
            var parts: [(key: Int, value: [UInt8]?)] = []
            for entry in entries {
                let value = entry.length.map {
                    PoolShape.value(step: number, key: entry.key, length: $0)
                }
                let table = keys.shape.table(of: entry.key)
                if let value {
                    batch.put(value, forKey: keys[entry.key], in: table)
                } else {
                    batch.remove(keys[entry.key], in: table)
                }
                parts.append((entry.key, value))
            }
            try write(parts, relaxed: relaxed) { () throws(StoreError) in
                try store.apply(batch, durability: relaxed ? .relaxed : .durable)
                return true
            }
        case .get(let key):
            let moment = oracle.moment(key)
            let value = try keys.get(key, of: store)
            guard oracle.moment(key) == moment else { return }
            if let problem = oracle.read(key, value) { fail("a reader: \(problem)", nil) }
        case .sync:
            let moment = oracle.syncBegins()
            try store.sync()
            oracle.synced(moment)
        case .compact: try store.compact()
        case .step: try store.makeCompactionStep()
        case .empty(let key, let drops):
            let parts = keys.shape.keys(besides: key).map { (key: $0, value: [UInt8]?.none) }
            try write(parts, relaxed: false) { () throws(StoreError) in
                try keys.empty(tableOf: key, drops: drops, in: store)
                return true
            }
        case .grow(let segments): try grow(store, by: segments)
        case .snapshot: try takeSnapshot(store)
        case .endSnapshot: try endSnapshot()
        case .reopen, .kill: break
        }
    }

    private func grow(_ store: PmemStore, by segments: Int) throws(StoreError) {
        let shape = script.shape
        let old = store.statistics.segments
        let new = min(old + segments, shape.mostSegments ?? 0)
        guard new > old else { return }
        oracle.growthBegins(from: old, to: new)
        try store.grow(to: shape.size(segments: new))
        oracle.settle(segments: new)
    }

    private func takeSnapshot(_ store: PmemStore) throws(StoreError) {
        let snapshot = try store.snapshot()
        snapshots.append((snapshot, try values(in: snapshot)))
    }

    private func values(in snapshot: Snapshot) throws(StoreError) -> [[UInt8]?] {
        var values: [[UInt8]?] = []
        for number in 0..<keys.count { values.append(try keys.get(number, of: snapshot)) }
        return values
    }

    /// It shows what it showed at first, unless a full pool has ended it.
    private func endSnapshot() throws(StoreError) {
        guard !snapshots.isEmpty else { return }
        let (snapshot, values) = snapshots.removeFirst()
        do throws(StoreError) {
            if try self.values(in: snapshot) != values {
                fail("a snapshot no longer shows what it showed", nil)
            }
        } catch {
            guard error.code == .snapshotTooOld else { throw error }
        }
        snapshot.end()
    }

    /// A write with the oracle told about its begin and end. `body` returns whether it wrote.
    private func write(
        _ parts: [(key: Int, value: [UInt8]?)], relaxed: Bool, _ body: () throws(StoreError) -> Bool
    ) throws(StoreError) {
        let token = oracle.begin(parts, relaxed: relaxed)
        let moment = oracle.moment(parts[0].key)
        do throws(StoreError) {
            if try body() {
                oracle.end(token, durable: !relaxed)
            } else if !relaxed {
                // The key was absent, and that is durable.
                oracle.end(token, durable: true)
            } else {
                let isAlone = oracle.moment(parts[0].key) == moment
                oracle.withdraw(token)
                if isAlone, let problem = oracle.read(parts[0].key, nil) {
                    fail("remove found no key: \(problem)", nil)
                }
            }
        } catch {
            // A remove of its own never fails for want of space.
            let isRemove = parts.count == 1 && parts[0].value == nil
            guard error.code == .outOfSpace, !isRemove, !medium.isDead else { throw error }
            oracle.withdraw(token)
        }
    }

    /// What the running store says, without any crash.
    private func checkLive(_ store: PmemStore) throws(StoreError) -> String? {
        var found: [UInt64] = []
        if let problem = try explorer.judge(store, oracle, &found) {
            return "the running store: \(problem)"
        }
        let structure = try store.structure()
        if let problem = oracle.wrongSize(structure.segments) {
            return "the running store: \(problem)"
        }
        if structure.lost != 0 || structure.miscountedExtents != 0
            || structure.free != structure.freeCount
        {
            return "the running store's structure is unsound: \(structure)"
        }
        return nil
    }

    // MARK: Several threads

    private func runParallel(_ store: PmemStore) {
        let scheduler = ThreadScheduler(seed: script.schedule, medium: medium)
        medium.scheduler = scheduler
        defer { medium.scheduler = nil }
        stepNumber = script.steps.count
        explores = true
        let bodies = script.parallel.indices.map { thread in
            let box = Unchecked { [self] in
                for (offset, step) in script.parallel[thread].enumerated() {
                    if failure != nil { return }
                    do throws(StoreError) {
                        // Step numbers make the values differ.
                        try perform(step.operation, 1000 * (thread + 1) + offset, store)
                    } catch {
                        if failure == nil { fail("thread \(thread) failed: \(error)", nil) }
                        return
                    }
                }
            }
            return { @Sendable in box.body() }
        }
        scheduler.run(bodies)
    }

    /// The scheduler lets one thread run at a time.
    private struct Unchecked: @unchecked Sendable {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
}
