import Glibc
import Logging
import PmemPlaces
import SystemPackage

/// A persistent key-value store in one file or devdax device.
///
/// Keys have 1 to 65,536 bytes, values 0 to 2^40 - 1 as far as the pool has room. A write is
/// durable when it returns (see ``mediumInfo`` for what that means on this medium); after a crash
/// of the process or the machine the next open finds every acknowledged write.
///
/// All methods may be called from any thread at any time. Reads take no lock and never wait for
/// a medium. Operations on one key are linearisable. The store of a process is of no use in its
/// forked child: every call there throws `closed`.
public final class PmemStore: Sendable {
    let engine: Engine
    /// The engine's, for reads: one step less on the way to a value.
    let records: RecordIndex
    /// What the pool lives on, found out when it was opened.
    public let mediumInfo: MediumInfo
    /// What opening found and did.
    public let recoveryReport: RecoveryReport

    init(engine: Engine, mediumInfo: MediumInfo, recoveryReport: RecoveryReport) {
        self.engine = engine
        records = engine.records
        self.mediumInfo = mediumInfo
        self.recoveryReport = recoveryReport
    }

    deinit { try? engine.close() }

    /// Creates a pool and opens it for writing.
    ///
    /// All blocks of a file are allocated, so that a full file system shows here and not later.
    public static func create(
        at path: String, options: CreateOptions = CreateOptions()
    ) throws(StoreError) -> PmemStore {
        let place = PlaceFacts.inspect(path: path).kind
        let isDevice = place == .devdax
        let size = isDevice ? options.size : options.size ?? CreateOptions.defaultSize
        if let size { _ = try Geometry(poolSize: size, segmentSize: options.segmentSize) }
        if isDevice && !options.overwrite { try refuseToOverwrite(path) }
        try MediumOpening.refuse(
            path, io: options.open.io, without: options.open.requirement)
        let file = try PoolFile.create(
            path, size: size, overwrite: options.overwrite, calls: options.open.engine.calls)
        do throws(StoreError) {
            return try format(file, options: options)
        } catch {
            // A new file that is no pool would stand in the way of the next try.
            if place == .missing { unsafe unlink(path) }
            guard error.code == .io, error.cause == .noSpace else { throw error }
            throw StoreError(.cannotCreate, "no room to create \(path)", cause: error.cause)
        }
    }

    private static func format(
        _ file: PoolFile, options: CreateOptions
    ) throws(StoreError) -> PmemStore {
        let (medium, info) = try MediumOpening.open(
            file, io: options.open.io, requirement: options.open.requirement)
        do throws(StoreError) {
            try PoolFormat.write(to: medium, segmentSize: options.segmentSize)
            return try open(medium, info: info, options: options.open)
        } catch {
            medium.close()
            throw error
        }
    }

    private static func refuseToOverwrite(_ path: String) throws(StoreError) {
        let file = try PoolFile.open(path, readOnly: true)
        let (medium, _) = try MediumOpening.open(file, io: .automatic)
        defer { medium.close() }
        do throws(StoreError) {
            var damage = DamageLog(.strict)
            _ = try PoolTable(reading: medium, path: path, log: &damage)
        } catch {
            if error.code == .notAPool { return }
        }
        throw StoreError(
            .alreadyExists, "\(path) already holds a pool; overwriting destroys what is in it")
    }

    /// Opens a pool and recovers it.
    ///
    /// - Throws: `notFound`, `notAPool`, `corrupt`, `unsupportedVersion`, `locked`, `refused`,
    ///   `readOnly`, `media`, `io`.
    /// - Complexity: after a clean close one sequential read of the index's checkpoint; after a
    ///   crash the summaries of all segments and the records of the open ones.
    public static func open(
        at path: String, options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> PmemStore {
        let file = try PoolFile.open(
            path, readOnly: options.readOnly, calls: options.engine.calls)
        let (medium, info) = try MediumOpening.open(
            file, io: options.io, requirement: options.requirement)
        do throws(StoreError) {
            return try open(medium, info: info, options: options)
        } catch {
            medium.close()
            throw error
        }
    }

    static func open(
        _ medium: Medium, info: MediumInfo, options: OpenOptions
    ) throws(StoreError) -> PmemStore {
        let recovered = try Recovery.open(
            medium, path: info.path, options: options.engine, index: options.index,
            readOnly: options.readOnly)
        let engine = Engine(recovered)
        let report = recovered.report
        options.logger?.info(
            "opened pool",
            metadata: [
                "path": "\(info.path)", "strategy": "\(info.strategy.rawValue)",
                "durable": "\(info.isDurable)", "clean": "\(report.wasClean)",
                "keys": "\(engine.index.count)", "seconds": "\(report.seconds)",
            ])
        return PmemStore(engine: engine, mediumInfo: info, recoveryReport: report)
    }

    /// Opens the pool on a medium that the caller supplies, such as a simulation; formats it
    /// first when asked to.
    package static func open(
        on medium: any PersistentMedium, formatSegmentSize: Int? = nil,
        options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> PmemStore {
        let handle = Medium(medium)
        if let formatSegmentSize {
            try PoolFormat.write(
                to: handle, segmentSize: formatSegmentSize,
                identity: options.engine.formatIdentity)
        }
        let info = MediumInfo(
            path: "supplied medium", kind: .custom, fileSystem: nil, isDAX: false,
            acceptsMapSync: false, isForced: false, isUnflushed: false, hasAutoFlush: false,
            durability: DurabilityDecision(
                strategy: medium.drainCoversAllThreads ? .msync : .flushAndFence, weakness: nil))
        return try open(handle, info: info, options: options)
    }

    /// Makes all writes durable, leaves a checkpoint for a fast open, and releases the pool.
    ///
    /// Waits for operations under way; later ones throw `closed`. Closing twice does nothing.
    public func close() throws(StoreError) { try engine.close() }

    /// Releases the pool as a crash would leave it.
    package func abandon() { engine.abandon() }
}
