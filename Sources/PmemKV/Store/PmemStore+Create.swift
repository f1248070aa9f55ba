import PmemPlaces
import SystemPackage

extension PmemStore {
    /// Creates a pool and opens it for writing.
    ///
    /// All blocks of a file are allocated, so that a full file system shows here and not later. The
    /// file has its name when it is a pool; until then what `overwrite` gives up is there and
    /// locked, and after an error it is as it was. The new file takes over its owner and mode. A
    /// devdax device, which has one place, is written to when nothing is left that can refuse.
    ///
    /// - Throws: `alreadyExists`, `cannotCreate`, `invalidArgument` for an impossible size,
    ///   `refused`, `unsupported`, `locked`, `io`, `media`.
    public static func create(
        at path: String, options: CreateOptions = CreateOptions()
    ) throws(StoreError) -> PmemStore {
        try create(at: PoolPath(path), options: options)
    }

    /// The same for a path that need not be text.
    public static func create(
        at path: FilePath, options: CreateOptions = CreateOptions()
    ) throws(StoreError) -> PmemStore {
        try create(at: PoolPath(path), options: options)
    }

    package static func create(
        at place: PoolPath, options: CreateOptions
    ) throws(StoreError) -> PmemStore {
        let new = try NewPool(
            at: place, options, room: options.maximumSize.map { .bytes($0) } ?? .usual,
            overwriting: options.overwrite ? .allowed : .refused)
        do throws(StoreError) {
            try new.file.publish()
            return new.store
        } catch {
            new.store.abandon()
            throw error
        }
    }

    /// Makes a pool and fills it: complete and durable on return, not there when it throws. Returns
    /// the number of its keys.
    ///
    /// - Parameters:
    ///   - size: bytes of a file, when they were asked for; a device takes no size.
    ///   - geometry: that of the pool it is made from: one of the same size may grow as far.
    ///   - usualSize: the size of that pool.
    ///   - attributes: owner and mode of what it is made from.
    static func createFilled(
        at place: PoolPath, size: Int?, like geometry: Geometry, _ usualSize: PoolSize,
        requirement: MediumRequirement?, overwriting: NewPoolFile.Overwriting,
        attributes: FileAttributes?,
        _ fill: (Engine) throws(StoreError) -> Void
    ) throws(StoreError) -> Int {
        var options = CreateOptions(size: size, segmentSize: geometry.segmentSize)
        options.open.requirement = requirement
        let isOfSameSize = size ?? usualSize.bytes == usualSize.bytes
        let new = try NewPool(
            at: place, options, usualSize: usualSize.bytes,
            room: isOfSameSize ? .segments(geometry.segmentLimit) : .usual,
            overwriting: overwriting, attributes: attributes, toFill: true)
        do throws(StoreError) {
            try fill(new.store.engine)
            let keys = new.store.engine.keyCount
            try new.store.close()
            try new.file.publish()
            return keys
        } catch {
            new.store.abandon()
            throw error
        }
    }
}

/// A pool that is open and has no name yet.
private struct NewPool {
    let store: PmemStore
    let file: NewPoolFile

    /// - Parameters:
    ///   - room: how far it may grow, if it is a file.
    ///   - toFill: whether the pool is one that nobody may open before it is closed, even where it
    ///     has its name from the beginning.
    init(
        at place: PoolPath, _ options: CreateOptions, usualSize: Int = CreateOptions.defaultSize,
        room: GrowthRoom, overwriting: NewPoolFile.Overwriting, attributes: FileAttributes? = nil,
        toFill: Bool = false
    ) throws(StoreError) {
        let isDevice = place.inspect().kind == .devdax
        let room = isDevice ? .none : room
        let size = isDevice ? options.size : options.size ?? usualSize
        let geometry = try size.map { size throws(StoreError) in
            try Geometry(poolSize: size, segmentSize: options.segmentSize, room: room)
        }
        if isDevice, options.maximumSize != nil {
            throw StoreError(
                .invalidArgument,
                "\(place.shown) is a devdax device: a pool takes all of it, and does not grow")
        }
        try MediumOpening.refuse(
            place, io: options.open.io, without: options.open.requirement)
        var opening = options.open
        opening.engine.fillsPool = toFill
        do throws(StoreError) {
            file = try NewPoolFile(
                at: place, size: options.size, usualSize: usualSize, overwriting: overwriting,
                attributes: attributes, calls: opening.engine.calls)
            store = try Self.format(
                file.file, opening, segmentSize: options.segmentSize, room: room,
                reach: geometry?.reach, refusesPools: isDevice && overwriting == .refused)
        } catch {
            guard error.code == .io, error.cause == .noSpace else { throw error }
            throw StoreError(
                .cannotCreate, "no room to create \(place.shown)", cause: error.cause)
        }
    }

    private static func format(
        _ file: PoolFile, _ options: OpenOptions, segmentSize: Int?, room: GrowthRoom,
        reach: Int?, refusesPools: Bool
    ) throws(StoreError) -> PmemStore {
        let (medium, info) = try MediumOpening.open(
            file, io: options.io, requirement: options.requirement, reach: reach)
        do throws(StoreError) {
            if refusesPools { try refuseToOverwrite(medium, path: file.path) }
            try PoolFormat.write(
                to: medium, path: file.path, segmentSize: segmentSize, room: room,
                isIncomplete: options.engine.fillsPool)
            return try PmemStore.open(medium, info: info, options: options)
        } catch {
            medium.close()
            throw error
        }
    }

    private static func refuseToOverwrite(
        _ medium: Medium, path: String
    ) throws(StoreError) {
        do throws(StoreError) {
            var damage = DamageLog(.strict)
            _ = try PoolTable(reading: medium, path: path, log: &damage)
        } catch {
            if error.code == .notAPool || error.code == .incomplete { return }
        }
        throw StoreError(
            .alreadyExists, "\(path) already holds a pool; overwriting destroys what is in it")
    }
}
