import PmemPlaces

/// Finds out what a pool lives on and gives the medium that makes writes durable there.
enum MediumOpening {
    /// Asks for the decision twice: before anything is mapped, so that what is refused stays
    /// untouched, and with libpmem's word on the mapping, which may be weaker than expected.
    ///
    /// - Parameter reach: bytes that the pool may grow to, where that is known; else what it says.
    static func open(
        _ file: PoolFile, io: IOPath, requirement: MediumRequirement? = nil, reach: Int? = nil
    ) throws(StoreError) -> (Medium, MediumInfo) {
        let size = try file.currentSize()
        guard size >= Geometry.minimumPoolSize else {
            throw StoreError(
                .notAPool,
                "\(file.path) is too short for a pool, \(size) of at least "
                    + "\(Geometry.minimumPoolSize) bytes: it was truncated or never was one")
        }
        let libpmem = LibpmemFacts.current()
        let facts = file.facts
        let mapSync = file.isDevdax || MapSync.isAccepted(for: file.descriptor, bytes: size)
        func describe(mapping isPmem: Bool?) throws(StoreError) -> MediumInfo {
            let durability: DurabilityDecision
            do throws(PlaceFacts.Refusal) {
                durability = try DurabilityDecision(
                    on: facts, mapSync: mapSync, mapping: isPmem, libpmem: libpmem, io: io)
            } catch {
                throw StoreError(.unsupported, "\(error.reason), \(error.remedy)")
            }
            let info = MediumInfo(
                path: file.path, kind: .init(facts), fileSystem: facts.fileSystem,
                isDAX: facts.isDAX == true, acceptsMapSync: mapSync,
                isForced: libpmem.isForced, isUnflushed: libpmem.isUnflushed,
                hasAutoFlush: libpmem.hasAutoFlush, durability: durability)
            try require(requirement, of: durability, at: file.path)
            return info
        }
        var info = try describe(mapping: nil)
        if info.strategy == .syscalls {
            return (Medium(SyscallMedium(file: file, size: size)), info)
        }
        let mapping = try PoolMapping.map(file, reach: reach, isSynchronous: mapSync)
        // A mapping for reading alone did not come from libpmem.
        if !file.isReadOnly { info = try describe(mapping: mapping.isPmem) }
        let medium =
            info.strategy.isSynchronous
            ? Medium(mapping: mapping, flushes: info.strategy == .flushAndFence)
            : Medium(MsyncMedium(pool: mapping))
        return (medium, info)
    }

    /// Refuses a place that will not give what is required, as far as that can be told without the
    /// pool: before a file is made there or an old one is given up.
    static func refuse(
        _ place: PoolPath, io: IOPath, without requirement: MediumRequirement?
    ) throws(StoreError) {
        guard let requirement else { return }
        let facts = place.inspect()
        let mapSync = facts.tryMapSync().answer
        // Where the answer is missing, and would decide, opening has it.
        if case .untried = mapSync, requirement == .synchronousDAX { return }
        // What is refused for being what it is, creating and opening refuse in their own words.
        guard facts.refusal == nil,
            let decision = try? DurabilityDecision(
                on: facts, mapSync: mapSync == .accepted, libpmem: .current(), io: io)
        else { return }
        try require(requirement, of: decision, at: place.shown)
    }

    private static func require(
        _ requirement: MediumRequirement?, of durability: DurabilityDecision, at path: String
    ) throws(StoreError) {
        let (isGiven, lack) =
            switch requirement {
            case nil: (true, "")
            case .durable: (durability.isDurable, "is not known to be durable")
            case .synchronousDAX: (durability.isSynchronousDAX, "has no synchronous DAX")
            }
        guard !isGiven else { return }
        let state =
            durability.weakness.map { "not durable: \($0)" }
            ?? durability.doubt.map { "perhaps not durable: \($0)" }
            ?? "durable by \(durability.strategy.rawValue)"
        throw StoreError(
            .refused,
            "\(path) \(lack), which was required (\(state)); the doctor says more "
                + "(pmemkv doctor \(path.shellWord))")
    }
}
