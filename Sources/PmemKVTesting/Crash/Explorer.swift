import PmemKV

/// Recovers crash states and judges what recovery made of them.
///
/// One explorer belongs to one thread; several may share the set of known states.
package final class Explorer {
    package let shape: PoolShape
    package let effort: Effort
    package var tally = Tally()
    private let known: StateSet
    private let options: OpenOptions
    private let readOnlyOptions: OpenOptions
    private let keys: ScriptKeys
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    private let seed: UInt64
    private let modelSalt: UInt64
    /// Media for crashes inside recovery, by depth.
    private var nestedMedia: [SimulatedMedium] = []
    /// What the recovery around a nested one found.
    private var outerFound: [UInt64]?
    package var mutant: Mutant?
    package var recordsUsage = false
    package var usage: Set<Mutant> = []

    package init(shape: PoolShape, effort: Effort, known: StateSet, seed: UInt64) {
        self.shape = shape
        self.effort = effort
        self.known = known
        options = shape.options
        var readOnly = shape.options
        readOnly.readOnly = true
        readOnlyOptions = readOnly
        keys = ScriptKeys(shape)
        self.seed = seed
        modelSalt = PoolImage.mix(
            UInt64(shape.model.granule) << 32 | UInt64(shape.heads) << 16
                | UInt64(shape.checkpointThreshold) << 8 | shape.sequenceStep)
    }

    deinit { buffer.deallocate() }

    /// Looks at all states that a crash of this medium may leave now. Returns what is wrong
    /// with the first bad one.
    package func explore(_ medium: SimulatedMedium, _ oracle: Oracle, depth: Int = 0) -> String? {
        tally.drains += 1
        var states = CrashStates(
            image: medium.durable, hash: medium.durableHash, pending: medium.pending,
            granule: medium.model.granule)
        let scratch = ScratchMedium(medium.durable, size: medium.size)
        let salt = oracle.fingerprint ^ modelSalt &+ UInt64(depth)
        // Samples depend on the state and the seed alone, not on what was looked at before.
        var random = SplitMix(seed: medium.durableHash ^ salt ^ seed)
        var problem: String?
        _ = states.visit(
            limit: depth == 0 ? effort.statesPerDrain : effort.nestedStatesPerDrain,
            random: &random
        ) { hash in
            let identity = PoolImage.mix(hash ^ salt)
            guard known.insert(identity) else { return true }
            if depth == 0 { tally.states += 1 } else { tally.nested += 1 }
            problem = examine(scratch, medium.durable, oracle, identity, depth: depth)
            return problem == nil
        }
        return problem
    }

    private func examine(
        _ scratch: ScratchMedium, _ image: PoolImage, _ oracle: Oracle, _ identity: UInt64,
        depth: Int
    ) -> String? {
        defer { scratch.rollBack() }
        var found: [UInt64] = []
        var openExtents = 0
        do throws(StoreError) {
            let store = try PmemStore.open(on: scratch, options: options)
            defer { store.abandon() }
            if let problem = try judge(store, oracle, &found) { return problem }
            if let outer = outerFound, outer != found {
                return "a crash inside recovery changed what is found"
            }
            let structure = try store.structure()
            if let problem = oracle.wrongSize(structure.segments) { return problem }
            openExtents = structure.openExtents
            if let problem = unsound(structure, store.recoveryReport) { return problem }
        } catch {
            return "recovery failed: \(error)"
        }
        if identity % effort.longEvery == 0, depth == 0 {
            tally.longExaminations += 1
            if let problem = examineLong(
                scratch, oracle, found, openExtents: openExtents, identity)
            {
                return problem
            }
        }
        let every = depth == 0 ? effort.nestedEvery : effort.deepEvery
        if depth < 3, identity / 1024 % every == 0 {
            scratch.rollBack()
            return crashInside(image, size: scratch.size, oracle, found, depth: depth)
        }
        return nil
    }

    /// Holds what the store says against the oracle; `found` gets the matching candidates.
    package func judge(
        _ store: PmemStore, _ oracle: Oracle, _ found: inout [UInt64]
    ) throws(StoreError) -> String? {
        found.removeAll(keepingCapacity: true)
        var present: [Int] = []
        for number in 0..<keys.count {
            let length = try keys.get(number, of: store, into: buffer)
            let value = length.map {
                UnsafeRawBufferPointer(rebasing: buffer[..<min($0, buffer.count)])
            }
            if value != nil { present.append(number) }
            let matches = oracle.matches(number, value)
            if matches == 0 { return oracle.wrongAnswer(number, length) }
            found.append(matches)
        }
        if let problem = try keys.miscount(store, present) { return problem }
        return oracle.brokenBatch(found)
    }

    /// Invariants that hold after every writable recovery of an undamaged pool.
    private func unsound(_ structure: PoolStructure, _ report: RecoveryReport) -> String? {
        if structure.lost != 0 { return "\(structure.lost) segments are lost" }
        if structure.free != structure.freeCount { return "free segments are miscounted" }
        if structure.limbo + structure.quarantined != 0 { return "segments are out of use" }
        if structure.miscountedExtents != 0 { return "live units are miscounted" }
        if structure.openExtents > shape.heads { return "too many extents are open" }
        // Each record of a batch may lie in an extent of its own.
        if report.sealedExtents > shape.heads + 3 + shape.keys {
            return "too many extents had been open"
        }
        if structure.unprovenTails != 0 { return "I14: a clean pool has an unproven tail" }
        if report.damagedSummaries != 0 { return "I9: a seal stands before an invalid summary" }
        if report.damagedRecords != 0 { return "a record was taken in with a damaged value" }
        if structure.namesCheckpoint != report.usedCheckpoint {
            return "I12: the superblock names a checkpoint that is not whole"
        }
        if structure.namesCheckpoint != (structure.checkpoint > 0) {
            return "a checkpoint that nobody names keeps its space"
        }
        return nil
    }

    // MARK: The long examination

    /// On entry the scratch medium holds the recovered pool.
    private func examineLong(
        _ scratch: ScratchMedium, _ oracle: Oracle, _ found: [UInt64], openExtents: Int,
        _ identity: UInt64
    ) -> String? {
        var again: [UInt64] = []
        do throws(StoreError) {
            let second = try PmemStore.open(on: scratch, options: options)
            defer { second.abandon() }
            if let problem = try judge(second, oracle, &again) {
                return "second recovery: \(problem)"
            }
            if again != found { return "the second recovery found something else" }
            if let problem = unsound(try second.structure(), second.recoveryReport) {
                return "second recovery: \(problem)"
            }
            // Only extents of a cleanly closed pool, which the first recovery continued.
            if second.recoveryReport.sealedExtents > openExtents {
                return "recovered twice, sealed twice"
            }
            scratch.rollBack()
            let reader = try PmemStore.open(on: scratch, options: readOnlyOptions)
            defer { reader.abandon() }
            if let problem = try judge(reader, oracle, &again) { return "read-only: \(problem)" }
            if again != found { return "read-only recovery found something else" }
            if scratch.changes != 0 { return "I13: read-only recovery changed the pool" }
        } catch {
            return "a second recovery failed: \(error)"
        }
        return goOn(scratch, seed: identity)
    }

    /// Fifty more operations, a clean close, and all of it is there.
    private func goOn(_ scratch: ScratchMedium, seed: UInt64) -> String? {
        do throws(StoreError) {
            var random = SplitMix(seed: seed)
            var model: [[UInt8]?] = []
            let store = try PmemStore.open(on: scratch, options: options)
            for number in 0..<keys.count { model.append(try keys.get(number, of: store)) }
            for step in 0..<50 {
                do throws(StoreError) {
                    if let problem = try goOnOnce(store, &model, step, &random) { return problem }
                } catch {
                    return "50 more operations, \(step): \(error) in \(try store.structure())"
                }
            }
            try store.close()
            let after = try PmemStore.open(on: scratch, options: options)
            defer { after.abandon() }
            for number in 0..<keys.count where try keys.get(number, of: after) != model[number] {
                return "50 operations later, key \(number) is wrong after a clean close"
            }
            let structure = try after.structure()
            if structure.lost != 0 || structure.miscountedExtents != 0 {
                return "50 operations later the structure is unsound: \(structure)"
            }
            return nil
        } catch {
            return "50 more operations did not work: \(error)"
        }
    }

    private func goOnOnce(
        _ store: PmemStore, _ model: inout [[UInt8]?], _ step: Int, _ random: inout SplitMix
    ) throws(StoreError) -> String? {
        let number = random.below(keys.count)
        if random.below(4) == 0 {
            let existed = try keys.remove(number, of: store)
            if existed != (model[number] != nil) { return "50 more: remove of \(number) is wrong" }
            model[number] = nil
        } else {
            let value = PoolShape.value(step: step, key: number, length: random.below(100))
            do throws(StoreError) {
                try keys.put(value, number, in: store)
                model[number] = value
            } catch {
                guard error.code == .outOfSpace else { throw error }
            }
        }
        guard try keys.get(number, of: store) == model[number] else {
            return "50 more: key \(number) does not read back"
        }
        return nil
    }

    // MARK: Crashes inside recovery

    private func crashInside(
        _ image: PoolImage, size: Int, _ oracle: Oracle, _ found: [UInt64], depth: Int
    ) -> String? {
        while nestedMedia.count <= depth {
            nestedMedia.append(
                SimulatedMedium(
                    size: shape.poolSize, capacity: image.size, model: shape.model))
        }
        let medium = nestedMedia[depth]
        medium.reset(to: image, size: size)
        medium.mutant = mutant
        medium.recordsUsage = recordsUsage
        let observer = RecoveryObserver(self, oracle, depth: depth + 1)
        medium.observer = observer
        defer { medium.observer = nil }
        let before = outerFound
        outerFound = found
        defer { outerFound = before }
        do throws(StoreError) {
            let store = try PmemStore.open(on: medium, options: options)
            store.abandon()
        } catch {
            return observer.problem ?? "recovery failed: \(error)"
        }
        if recordsUsage { usage.formUnion(medium.usage) }
        if let problem = explore(medium, oracle, depth: depth + 1) {
            return "crash after recovery: \(problem)"
        }
        return nil
    }

    private final class RecoveryObserver: MediumObserver {
        let explorer: Explorer
        let oracle: Oracle
        let depth: Int
        var problem: String?

        init(_ explorer: Explorer, _ oracle: Oracle, depth: Int) {
            self.explorer = explorer
            self.oracle = oracle
            self.depth = depth
        }

        func willDrain(_ medium: SimulatedMedium, site: PersistSite) throws(StoreError) {
            guard let found = explorer.explore(medium, oracle, depth: depth) else { return }
            problem = "crash inside recovery (\(site)), \(depth + 1) deep: \(found)"
            throw SimulatedMedium.crash
        }
    }
}
