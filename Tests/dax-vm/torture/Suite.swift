import Glibc
import PmemKV

/// The suite on one medium: a random workload against a dictionary with reopening, or filling
/// the pool until it is full and recovering from that (part=full).
///
/// arguments: pool= size= (absent for devdax) operations= seed= io=
struct Suite {
    private let arguments: Arguments
    private let report: Reporter
    private let pool: String
    private let seed: UInt64

    init(_ arguments: Arguments, _ report: Reporter) {
        self.arguments = arguments
        self.report = report
        pool = arguments.string("pool")
        seed = UInt64(arguments.number("seed", default: 1))
    }

    private func open() throws(StoreError) -> PmemStore {
        var options = OpenOptions()
        options.io = arguments.io
        return try PmemStore.open(at: pool, options: options)
    }

    func run() throws {
        if arguments["part"] == "full" {
            report.test("out-of-space", fillAndRecover)
        } else {
            report.test("workload", workload)
        }
    }

    private func workload() throws {
        let count = arguments.number("operations", default: 300)
        let history = History(seed: seed, lane: 0, largestValue: 20_000)
        var model: [String: [UInt8]] = [:]
        var store = try open()
        for number in 0..<count {
            let operation = history.operation(number)
            try store.perform(operation)
            History.apply(operation, to: &model)
            if number % 7 == 0 {
                let key = operation.changes[0].key
                try expect(store.get(key) == model[key], "\(key) differs after operation \(number)")
            }
            if number % 100 == 99 {
                try store.close()
                store = try open()
                try verify(store, model, history)
            }
        }
        try compareAndSet(store)
        try verify(store, model, history)
        try store.close()
    }

    private func compareAndSet(_ store: PmemStore) throws {
        try expect(store.compareAndSet("cas", expected: nil, to: [1]), "CAS of an absent key")
        try expect(!store.compareAndSet("cas", expected: nil, to: [2]), "CAS over a value")
        try expect(store.compareAndSet("cas", expected: [1], to: nil), "CAS that removes")
        try expect(store.get("cas") == nil, "the key is gone after CAS")
    }

    private func verify(
        _ store: PmemStore, _ model: [String: [UInt8]], _ history: History
    ) throws {
        let keys = (0..<History.keys).map(history.key)
        if let difference = try store.difference(from: model, keys: keys) {
            throw Mismatch(difference)
        }
        try expect(store.count == model.count, "count \(store.count), expected \(model.count)")
    }

    /// Fills the pool; every put acknowledged before the error must stay, deletes must still work,
    /// and after enough of them puts must work again.
    private func fillAndRecover() throws {
        var store = try open()
        let valueSize = arguments.number("value", default: 48 << 10)
        let stored = try fill(store, valueSize)
        try expect(stored > 8, "only \(stored) values fitted")
        for number in stride(from: 0, to: stored, by: 3) {
            try expectFilled(store, number, valueSize)
        }
        let kept = stored / 4
        for number in kept..<stored {
            try expect(store.remove("fill\(number)"), "fill\(number) was missing")
        }
        try store.compact()
        for number in 0..<kept {
            try store.put(fillValue(number, valueSize), forKey: "again\(number)")
        }
        try store.close()
        store = try open()
        for number in 0..<kept { try expectFilled(store, number, valueSize) }
        for number in kept..<stored {
            try expect(try store.get("fill\(number)") == nil, "fill\(number) came back")
        }
        try store.close()
    }

    private func fill(_ store: PmemStore, _ valueSize: Int) throws -> Int {
        var number = 0
        while true {
            do {
                try store.put(fillValue(number, valueSize), forKey: "fill\(number)")
                number += 1
            } catch let error {
                try expect(error.code == .outOfSpace, "filling ended with \(error)")
                return number
            }
        }
    }

    private func fillValue(_ number: Int, _ size: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 37 &+ 1), count: size)
    }

    private func expectFilled(_ store: PmemStore, _ number: Int, _ size: Int) throws {
        let found = try store.withValue(forKey: "fill\(number)") { value in
            value.withUnsafeBytes { bytes in
                bytes.elementsEqual(fillValue(number, size))
            }
        }
        try expect(found == true, "fill\(number) is \(found == nil ? "missing" : "wrong")")
    }
}

/// arguments: pool= count=
/// Opens the pool, puts, closes: the host counts the system calls meanwhile.
func plainPuts(_ arguments: Arguments, _ report: Reporter) throws {
    let store = try PmemStore.open(at: arguments.string("pool"))
    for number in 0..<arguments.number("count", default: 100) {
        try store.put([UInt8](repeating: 7, count: 200), forKey: "plain\(number)")
    }
    try store.close()
    report.pass("puts")
}

/// arguments: pool= threads= count=
/// Several threads put at once; where msync makes writes durable they must share it.
func groupedPuts(_ arguments: Arguments, _ report: Reporter) throws {
    let store = try PmemStore.open(at: arguments.string("pool"))
    let count = arguments.number("count", default: 40)
    let threads = arguments.number("threads", default: 8)
    let failures = runThreads(threads) { thread throws(StoreError) in
        for number in 0..<count {
            try store.put([UInt8](repeating: 9, count: 200), forKey: "thread\(thread)/\(number)")
        }
    }
    for failure in failures { report.fail("threads", failure) }
    if failures.isEmpty { report.pass("threads") }
    try store.close()
}
