import Logging
import PmemPlaces
import SystemPackage

/// A persistent key-value store in one file or devdax device.
///
/// Keys have 1 to ``maximumKeyLength`` bytes, values less than 64 GiB by 128 KiB as far as the pool
/// has room. A write is durable when it returns (see ``mediumInfo`` for what that means on this
/// medium); after a crash of the process or the machine the next open finds every acknowledged
/// write.
///
/// All methods may be called from any thread at any time. Reads take no lock and wait for no drain;
/// those of a key in a batch wait while the batch becomes visible. Operations on one key are
/// linearisable. The store of a process is of no use in its forked child: every call there throws
/// `closed`.
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

    /// Bytes of the longest key of any pool: longer ones cannot be asked for.
    package static let maximumKeyLength = RecordLayout.maximumKeyLength

    /// Bytes of the longest key that can be stored in this pool: 65,536, and at most a quarter of
    /// the segment size. O(1).
    ///
    /// A pool that an older program has written may hold longer ones, up to 65,536 bytes; they are
    /// read and removed as any other.
    public var maximumKeyLength: Int { engine.maximumKeyLength }

    /// Opens a pool and recovers it.
    ///
    /// - Throws: `notFound`, `notAPool`, `corrupt`, `unsupportedVersion`, `incomplete` for a copy
    ///   that was never completed, `locked`, `refused`, `readOnly`, `media`, `io`;
    ///   `invalidArgument` for a path with a zero byte, `unsupported` for a way of access that the
    ///   medium does not have.
    /// - Complexity: after a clean close one sequential read of the index's checkpoint; after a
    ///   crash the summaries of all segments and the records of the open ones.
    public static func open(
        at path: String, options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> PmemStore {
        try open(at: PoolPath(path), options: options)
    }

    /// The same for a path that need not be text.
    public static func open(
        at path: FilePath, options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> PmemStore {
        try open(at: PoolPath(path), options: options)
    }

    package static func open(
        at place: PoolPath, options: OpenOptions
    ) throws(StoreError) -> PmemStore {
        let file = try PoolFile.open(
            place, readOnly: options.readOnly, calls: options.engine.calls)
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
                to: handle, path: "supplied medium", segmentSize: formatSegmentSize, room: .none,
                identity: options.engine.formatIdentity, isIncomplete: options.engine.fillsPool)
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
    /// Waits for operations under way, bodies of scans and reads on other threads included; later
    /// ones throw `closed`, and a scan throws it when its body has returned. Closing twice does
    /// nothing.
    ///
    /// - Throws: `insideCallback` on a thread that runs a callback of this store, which would wait
    ///   for itself; `io` or `media` when the last writes could not be made durable.
    /// - Complexity: O(1) after few writes, else O(keys): the checkpoint of the index.
    public func close() throws(StoreError) { try engine.close() }

    /// Releases the pool as a crash would leave it.
    package func abandon() { engine.abandon() }
}
