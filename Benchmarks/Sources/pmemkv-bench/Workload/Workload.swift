/// The workloads, under the names the field gives them: db_bench's and YCSB's core workloads.
///
/// Differences from db_bench, so that every figure can be checked: fillrandom writes every key once
/// in random order (db_bench's filluniquerandom), so that later reads find all of them;
/// deleterandom deletes distinct keys; readmissing looks up keys that lie between existing ones.
enum Workload: String, Codable, CaseIterable, Sendable {
    case fillseq, fillrandom, overwrite, readrandom, readmissing, readseq, seekrandom
    case readwhilewriting, deleterandom
    case ycsbA = "ycsb-a"
    case ycsbB = "ycsb-b"
    case ycsbC = "ycsb-c"
    case ycsbD = "ycsb-d"
    case ycsbE = "ycsb-e"
    case ycsbF = "ycsb-f"

    /// Starts from an empty store.
    var isFill: Bool { self == .fillseq || self == .fillrandom }

    /// Only engines that keep keys in order can run it.
    var needsOrder: Bool { self == .seekrandom || self == .ycsbE }

    /// Entries a range scan reads (YCSB E draws 1 ... 100).
    static let seekEntries = 100

    /// A scan's unit of work is the entry for readseq, the whole scan for the others.
    var countsEntries: Bool { self == .readseq }

    /// Which floor bounds it from below.
    var floor: FloorKind {
        switch self {
        case .fillseq, .fillrandom, .overwrite, .deleterandom: .append
        case .readrandom, .readseq, .seekrandom, .readwhilewriting, .ycsbE: .read
        case .readmissing, .ycsbA, .ycsbB, .ycsbC, .ycsbD, .ycsbF: .index
        }
    }

    var summary: String {
        switch self {
        case .fillseq: "put every key in key order"
        case .fillrandom: "put every key once in random order"
        case .overwrite: "put existing keys, uniformly at random"
        case .readrandom: "get existing keys, uniformly at random"
        case .readmissing: "get keys that do not exist"
        case .readseq: "read all entries in the engine's order (per entry)"
        case .seekrandom: "seek to a random key and read 100 entries (per seek)"
        case .readwhilewriting: "readrandom with one more thread that overwrites"
        case .deleterandom: "delete existing keys in random order"
        case .ycsbA: "50 % read, 50 % update, zipfian"
        case .ycsbB: "95 % read, 5 % update, zipfian"
        case .ycsbC: "100 % read, zipfian"
        case .ycsbD: "95 % read, 5 % insert, latest"
        case .ycsbE: "95 % scan of 1-100 entries, 5 % insert, zipfian"
        case .ycsbF: "50 % read, 50 % read-modify-write, zipfian"
        }
    }
}

/// The physical floors a figure is compared with.
enum FloorKind: String, Codable, Sendable {
    /// Append of the same bytes, made durable by one drain; nothing else.
    case append = "floor-append"
    /// Append plus insertion in (or lookup through) a hash table in DRAM.
    case index = "floor-index"
    /// Copy of a random record from the medium, or of neighbouring ones; no search for them.
    case read = "floor-read"

    /// The engine that measures it: the append floor also reads records back blindly.
    var engine: String { self == .index ? "floor-index" : "floor-append" }
}
