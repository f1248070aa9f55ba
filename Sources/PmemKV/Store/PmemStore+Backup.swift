import SystemPackage

extension PmemStore {
    /// Writes all keys and values, as of one moment, into a new pool.
    ///
    /// Writers wait only while the moment is being fixed (a few nanoseconds a key); what they
    /// write afterwards is not part of the backup. Segments of which something is still to be
    /// copied are not reused meanwhile; when the pool would be full because of that, the backup
    /// ends, not the writer. The new pool is complete and durable when this
    /// returns, and does not exist when it throws. It has this pool's owner and mode. Of the same
    /// size, it has room for everything, however full this pool is.
    ///
    /// - Parameters:
    ///   - path: the new pool: a file that does not exist, or a devdax device without a pool.
    ///   - size: bytes of a file; nil for this pool's. A device takes no size.
    ///   - requirement: what the new pool's medium must give.
    ///   - time: for how long it is rather the writer that ends: a put that would find room only
    ///     where something is still to be copied throws `heldBack`, and a removal goes on. So a
    ///     backup of a nearly full pool comes to its end.
    /// - Throws: `alreadyExists`, `cannotCreate`, `refused`, `outOfSpace` with the least size that
    ///   fits, `snapshotTooOld` when this pool would have become full meanwhile, `corrupt` when a
    ///   record is damaged, and what creating a pool throws.
    /// - Complexity: O(n log n) for n keys, and the bytes; less than 16 bytes of memory a key,
    ///   and 16 a segment in use.
    public func backup(
        to path: String, size: Int? = nil, requirement: MediumRequirement? = nil,
        holdingWritersFor time: Duration = .zero
    ) throws(StoreError) {
        try backup(
            to: PoolPath(path), size: size, requirement: requirement, holdingWritersFor: time)
    }

    /// The same for a path that need not be text.
    public func backup(
        to path: FilePath, size: Int? = nil, requirement: MediumRequirement? = nil,
        holdingWritersFor time: Duration = .zero
    ) throws(StoreError) {
        try backup(
            to: PoolPath(path), size: size, requirement: requirement, holdingWritersFor: time)
    }

    package func backup(
        to place: PoolPath, size: Int?, requirement: MediumRequirement?,
        holdingWritersFor time: Duration = .zero
    ) throws(StoreError) {
        _ = try Self.createFilled(
            at: place, size: size, like: engine.geometry, engine.log.segments.size,
            requirement: requirement, overwriting: .refused,
            attributes: engine.log.medium.attributes
        ) { target throws(StoreError) in
            var (locations, held) = try engine.space.beginCopy(holdingWritersFor: time)
            defer { engine.space.end(held) }
            locations.sort { $0.units < $1.units }
            try engine.copy(locations, held, to: target)
        }
    }
}

extension Engine {
    /// Copies the records at these ascending locations, whose extents are held, into a new pool.
    fileprivate func copy(
        _ locations: [Location], _ held: HeldExtents, to target: Engine
    ) throws(StoreError) {
        let extents = extents(of: locations)
        if target.log.segments.count < log.segments.count {
            var plan = FillPlan(geometry)
            for extent in extents {
                let records = try reading(held) { () throws(StoreError) in
                    try units(of: locations[extent])
                }
                plan.add(records)
            }
            try target.checkRoom(for: plan, from: log.segments.size)
        }
        let filler = PoolFiller(target)
        for extent in extents {
            let first = log.segments.extent(of: locations[extent.lowerBound])
            try reading(held) { () throws(StoreError) in
                try copy(locations[extent], held, isLong: log.segments.span(first) > 1, by: filler)
            }
            held.remove(first)
        }
    }

    /// Reads an extent that is held. The epoch is for whoever closes the store; what is found wrong
    /// counts only when the extent was held until the end.
    private func reading<R>(
        _ held: HeldExtents, _ body: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        try records.epochs.reading { () throws(StoreError) in
            try gate.checkReadable()
            let result: Result<R, StoreError>
            do throws(StoreError) {
                result = .success(try body())
            } catch {
                result = .failure(error)
            }
            try held.check()
            return try result.get()
        }
    }

    private func copy(
        _ locations: ArraySlice<Location>, _ held: HeldExtents, isLong: Bool,
        by filler: borrowing PoolFiller
    ) throws(StoreError) {
        let units = isLong ? try units(of: locations) : []
        try filler.withHead(units: units.reduce(.zero, +), entries: units.count) {
            head throws(StoreError) in
            for location in locations {
                try self.withSource(at: location) { record throws(StoreError) in
                    guard record.isSound else { throw self.log.damage(record) }
                    guard held.includes(record) else { return }
                    try filler.append(record.tableKey, record.value, to: head)
                }
            }
        }
    }

    /// Where in the ascending locations those of each extent are.
    private func extents(of locations: [Location]) -> [Range<Int>] {
        var extents: [Range<Int>] = []
        var first = 0
        for number in locations.indices.dropFirst() {
            let isSame =
                log.segments.extent(of: locations[number])
                == log.segments.extent(of: locations[first])
            if isSame { continue }
            extents.append(first..<number)
            first = number
        }
        if first < locations.count { extents.append(first..<locations.count) }
        return extents
    }

    private func units(of locations: ArraySlice<Location>) throws(StoreError) -> [Units] {
        var units: [Units] = []
        for location in locations {
            try withSource(at: location) { record throws(StoreError) in
                guard record.fits else { throw self.log.damage(record) }
                units.append(record.units)
            }
        }
        return units
    }

    private func withSource(
        at location: Location, _ body: (RecordView) throws(StoreError) -> Void
    ) throws(StoreError) {
        let isThere: Void? = try log.withRecord(at: location) { record throws(StoreError) in
            try body(record)
        }
        if isThere == nil { throw RecordIndex.strayLocation }
    }
}
