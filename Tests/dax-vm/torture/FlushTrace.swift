import Glibc
import PmemKV

/// Runs the store's operations between marks, so that the plugin sees which lines each of them
/// stores, flushes and fences.
///
/// arguments: pool= size= fence-only=1 (the platform flushes its caches itself)
struct FlushTrace {
    private let arguments: Arguments
    private let report: Reporter
    private let pool: String

    init(_ arguments: Arguments, _ report: Reporter) {
        self.arguments = arguments
        self.report = report
        pool = arguments.string("pool")
    }

    func run() throws {
        try Marker.open()
        Marker.send(.reset)
        let store = try PmemStore.open(at: pool)
        guard let range = mappings(of: pool).first else { throw Mismatch("no mapping of \(pool)") }
        let flags: UInt64 = arguments["fence-only"] == "1" ? 3 : 1
        Marker.send(.range, 0, 0, UInt64(range.lowerBound), UInt64(range.count), flags)
        try writes(store)
        try seal(store)
        begin("close")
        try store.close()
        finish()
        report.pass("traced")
    }

    /// Phases carry the medium's name, since one trace may hold several media.
    private func begin(_ name: String) { Marker.begin("\(report.medium)/\(name)") }

    private func finish() {
        Marker.send(.acknowledge)
        Marker.send(.end)
    }

    private func phase(_ name: String, _ body: () throws -> Void) rethrows {
        begin(name)
        try body()
        finish()
    }

    private func writes(_ store: PmemStore) throws {
        let sizes = [0, 1, 47, 48, 63, 64, 200, 255, 256, 1000, 4096, 20_000]
        try warmUp(store)
        for size in sizes {
            let value = [UInt8](repeating: 0x5A, count: size)
            try phase("put-\(size)") { try store.put(value, forKey: "key\(size)") }
        }
        let value = [UInt8](repeating: 0xA5, count: 200)
        try phase("overwrite") { try store.put(value, forKey: "key200") }
        try phase("delete") { _ = try store.remove("key1000") }
        var batch = WriteBatch()
        for number in 0..<8 {
            batch.put([UInt8](repeating: 3, count: 50 * number), forKey: "batch\(number)")
        }
        batch.remove("key64")
        try phase("batch") { try store.apply(batch) }
        try phase("relaxed-sync") {
            try store.put(value, forKey: "relaxed", durability: .relaxed)
            try store.sync()
        }
    }

    /// Each kind of write once outside of a phase, so that lazy work of a first call is not traced.
    private func warmUp(_ store: PmemStore) throws {
        var batch = WriteBatch()
        batch.put([1], forKey: "first")
        batch.remove("second")
        try store.apply(batch)
        try store.put([1], forKey: "second", durability: .relaxed)
        try store.sync()
        _ = try store.remove("second")
    }

    /// Writes until segments must have been sealed: three times the segment size, in one phase with
    /// an acknowledgement check after each put.
    private func seal(_ store: PmemStore) throws {
        let value = [UInt8](repeating: 0x33, count: 60 << 10)
        let count = arguments.number("segment", default: 1 << 20) * 3 / value.count
        begin("seal")
        for number in 0..<count {
            try store.put(value, forKey: "seal\(number)")
            Marker.send(.acknowledge)
        }
        finish()
    }
}
