import Foundation
import PmemKV

/// Every engine the benchmark knows, with the name it has on the command line and in results.
enum EngineKind: String, Codable, CaseIterable, Sendable {
    case floorAppend = "floor-append"
    case floorIndex = "floor-index"
    case pmemkv
    case pmemkvOrdered = "pmemkv-ordered"
    case pmemkvRelaxed = "pmemkv-relaxed"
    case pmemkvSyscalls = "pmemkv-syscalls"
    case pmemobj
    case lmdb
    case lmdbNoSync = "lmdb-nosync"
    case rocksdb
    case rocksdbNoSync = "rocksdb-nosync"
    case leveldb
    case leveldbNoSync = "leveldb-nosync"

    var traits: EngineTraits {
        switch self {
        case .floorAppend:
            EngineTraits(
                durability: "flush and fence per record", isFloor: true, isStore: false,
                isPersistent: false)
        case .floorIndex:
            EngineTraits(
                durability: "flush and fence per record", isFloor: true, isStore: false,
                isPersistent: false)
        case .pmemkv: EngineTraits(durability: "durable on return")
        case .pmemkvOrdered: EngineTraits(durability: "durable on return", isOrdered: true)
        case .pmemkvRelaxed:
            EngineTraits(isDurable: false, durability: "relaxed, durable at sync()")
        case .pmemkvSyscalls: EngineTraits(durability: "write(2), durable on return")
        case .pmemobj: EngineTraits(durability: "one transaction per change")
        case .lmdb: EngineTraits(durability: "synced commit per change", isOrdered: true)
        case .lmdbNoSync:
            EngineTraits(isDurable: false, durability: "MDB_NOSYNC", isOrdered: true)
        case .rocksdb: EngineTraits(durability: "WriteOptions.sync", isOrdered: true)
        case .rocksdbNoSync:
            EngineTraits(isDurable: false, durability: "log not synced", isOrdered: true)
        case .leveldb: EngineTraits(durability: "WriteOptions.sync", isOrdered: true)
        case .leveldbNoSync:
            EngineTraits(isDurable: false, durability: "log not synced", isOrdered: true)
        }
    }

    /// The project's own store, in whatever set-up.
    var isOurs: Bool { rawValue.hasPrefix("pmemkv") }
    var isPeer: Bool { !isOurs && !traits.isFloor }

    /// The index the store is opened with; nil for all other engines.
    var index: IndexKind? {
        if self == .pmemkvOrdered { return .ordered }
        return isOurs ? .hash : nil
    }

    /// Runs on a character device as well as in a directory.
    var runsOnDevice: Bool { isOurs && self != .pmemkvSyscalls || traits.isFloor }

    /// The library behind it, of the two that take the same calls.
    var logTree: LogTreeLibrary? {
        switch self {
        case .leveldb, .leveldbNoSync: .leveldb
        case .rocksdb, .rocksdbNoSync: .rocksdb
        default: nil
        }
    }

    /// Was this engine's library there when the program was built? If not: what to install.
    var packageToInstall: String? {
        if let logTree { return logTree.isBuiltIn ? nil : "lib\(logTree.rawValue)-dev" }
        #if !HAVE_LMDB
            if self == .lmdb || self == .lmdbNoSync { return "liblmdb-dev" }
        #endif
        return nil
    }
}

/// Something that can be done with any engine, whatever its type.
protocol EngineTask {
    associatedtype Output
    func run<E: Engine>(_ open: @escaping () throws -> E) throws -> Output
}

/// How and where an engine is opened.
struct EnginePlace: Sendable {
    var kind: EngineKind
    /// A directory of its own, or a devdax device.
    var path: String
    var profile: DatasetProfile
    var store: StoreOptions
    /// The data set is about to be loaded: what is there goes. A device cannot show that it is new.
    var isFresh: Bool
}

/// The store's own options, as they were given.
struct StoreOptions: Codable, Sendable {
    /// "auto", "mapped" or "syscalls".
    var io = "auto"
    var segmentBytes: Int?
}

extension EnginePlace {
    /// Hands the engine's concrete type to the task, so that everything below is specialised.
    func perform<T: EngineTask>(_ task: T) throws -> T.Output {
        let path = path
        let profile = profile
        switch kind {
        case .floorAppend:
            return try task.run { try AppendFloor(directory: path, profile: profile) }
        case .floorIndex: return try task.run { try IndexFloor(directory: path, profile: profile) }
        case .pmemobj: return try task.run { try PmemObjEngine(directory: path, profile: profile) }
        case .pmemkv, .pmemkvOrdered, .pmemkvRelaxed, .pmemkvSyscalls:
            return try task.run { try StoreEngine(self) }
        case .lmdb, .lmdbNoSync:
            #if HAVE_LMDB
                let isDurable = kind == .lmdb
                return try task.run {
                    try LMDBEngine(directory: path, isDurable: isDurable, profile: profile)
                }
            #else
                throw notBuilt
            #endif
        case .rocksdb, .rocksdbNoSync, .leveldb, .leveldbNoSync:
            #if HAVE_LOG_TREE
                guard let library = kind.logTree else { throw notBuilt }
                let isDurable = kind.traits.isDurable
                return try task.run {
                    try LogTreeEngine(
                        library, directory: path, isDurable: isDurable, profile: profile)
                }
            #else
                throw notBuilt
            #endif
        }
    }

    private var notBuilt: BenchError {
        BenchError("\(kind.rawValue) is not part of this build: \(kind.packageToInstall ?? "")")
    }
}
