import SystemPackage

extension PmemStore {
    /// Salvages every readable record of a damaged pool into a new, sound one.
    ///
    /// The old pool is only read (shared lock). The new one has its name when it is complete and
    /// durable, and is not there when this throws. It takes over the old one's owner and mode.
    ///
    /// - Parameters:
    ///   - path: the damaged pool.
    ///   - destination: the new pool's file, which must not exist; nil for the damaged pool's own:
    ///     the new pool takes its place when it is complete. A link is followed.
    ///   - size: bytes of the new pool; nil takes the old one's size. A device takes no size.
    ///   - options: how the old pool is opened; what it requires of the medium holds for the new
    ///     pool's, too.
    /// - Throws: what opening throws but for damage, what creating the new pool throws, and
    ///   `outOfSpace` with the least size that fits; of the old one's size it is never too small.
    /// - Complexity: O(bytes in use) time, O(keys) memory.
    public static func repair(
        at path: String, to destination: String?, size: Int? = nil,
        options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> RepairReport {
        let destination: PoolPath? = if let destination { try PoolPath(destination) } else { nil }
        return try repair(at: PoolPath(path), to: destination, size: size, options: options)
    }

    /// The same for paths that need not be text.
    public static func repair(
        at path: FilePath, to destination: FilePath?, size: Int? = nil,
        options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> RepairReport {
        try repair(
            at: PoolPath(path), to: destination.map { PoolPath($0) }, size: size, options: options)
    }

    package static func repair(
        at place: PoolPath, to destination: PoolPath?, size: Int?, options: OpenOptions
    ) throws(StoreError) -> RepairReport {
        let medium = try openForSurvey(place, options)
        defer { medium.close() }
        if destination == nil, place.inspect().kind == .devdax {
            throw StoreError(
                .unsupported,
                "\(place.shown) is a device, which has no room for a second pool: repair it to a "
                    + "file")
        }
        var salvage = try Salvage(medium, path: place.shown)
        let keys = try createFilled(
            at: destination ?? place, size: size, like: salvage.geometry, salvage.size,
            requirement: options.requirement,
            overwriting: destination == nil ? .held : .refused, attributes: medium.attributes
        ) { target throws(StoreError) in
            try target.checkRoom(for: salvage.plan, from: salvage.size)
            let filler = PoolFiller(target)
            for number in salvage.unnamedTables { try filler.appendTable(number) }
            try salvage.forEachExtent { units, forEach throws(StoreError) in
                try filler.withHead(units: units.reduce(.zero, +), entries: units.count) {
                    head throws(StoreError) in
                    try forEach { key, value throws(StoreError) in
                        try filler.append(key, value, to: head)
                    }
                }
            }
        }
        return salvage.finished(keys: keys)
    }
}
