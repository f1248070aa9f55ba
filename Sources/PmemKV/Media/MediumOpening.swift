import PmemPlaces

/// Finds out what a pool lives on and gives the medium that makes writes durable there.
enum MediumOpening {
    /// Asks for the decision twice: before anything is mapped, so that what is refused stays
    /// untouched, and with libpmem's word on the mapping, which may be weaker than expected.
    static func open(
        _ file: PoolFile, io: IOPath, requireSynchronousDAX: Bool
    ) throws(StoreError) -> (Medium, MediumInfo) {
        let size = try file.currentSize()
        guard size >= Geometry.minimumPoolSize else {
            throw StoreError(
                .notAPool,
                "\(file.path) has \(size) bytes, too few for a pool: it was truncated "
                    + "or never was one")
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
            if requireSynchronousDAX { try requireSynchronous(info) }
            return info
        }
        var info = try describe(mapping: nil)
        if info.strategy == .syscalls {
            return (Medium(SyscallMedium(file: file, size: size)), info)
        }
        let mapping = try PoolMapping.map(file)
        // A mapping for reading alone did not come from libpmem.
        if !file.isReadOnly { info = try describe(mapping: mapping.isPmem) }
        let medium =
            info.strategy.isSynchronous
            ? Medium(mapping: mapping, flushes: info.strategy == .flushAndFence)
            : Medium(MsyncMedium(pool: mapping))
        return (medium, info)
    }

    private static func requireSynchronous(_ info: MediumInfo) throws(StoreError) {
        guard !info.isSynchronousDAX else { return }
        let state = info.durability.weakness.map { "not durable: \($0)" }
        throw StoreError(
            .refused,
            """
            \(info.path) has no synchronous DAX (\(info.kind.rawValue), \
            \(state ?? "durable by \(info.strategy.rawValue)")), which was required; \
            'pmemkv doctor \(info.path)' says why
            """)
    }
}
