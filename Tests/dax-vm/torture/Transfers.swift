import PmemKV

/// Moves money between accounts until the process is killed, half of the threads by transactions,
/// the others by batches with expectations.
///
/// arguments: pool= accounts= threads= seed= index=hash|ordered io=
///
/// Each transfer changes, as one: two accounts, of which each holds a balance and how often it has
/// paid; the thread's counter of its transfers; and a key of the thread that is there while that is
/// odd. `THREAD COUNT` on standard output acknowledges the first COUNT transfers of a thread. So
/// the balances add up to what they began with, the payments to the counters, and no counter is
/// below what was acknowledged, or more than one above.
struct Transfers {
    private let store: PmemStore
    private let accounts: Int
    private let threads: Int
    private let seed: UInt64

    init(_ arguments: Arguments) throws {
        var options = OpenOptions()
        options.io = arguments.io
        options.index = arguments["index"] == "ordered" ? .ordered : .hash
        store = try PmemStore.open(at: arguments.string("pool"), options: options)
        accounts = arguments.number("accounts", default: 20)
        threads = arguments.number("threads", default: 4)
        seed = UInt64(arguments.number("seed", default: 1))
    }

    func run() throws {
        if store.count == 0 { try openAccounts() }
        let failures = runThreads(threads) { thread in
            var random = Randomness(seed ^ UInt64(thread) << 32)
            while true {
                let transfer = Transfer(thread, accounts, &random)
                let count =
                    thread % 2 == 0 ? try inTransaction(transfer) : try inBatch(transfer)
                say("\(thread) \(count)")
            }
        }
        throw Mismatch(failures.joined(separator: "; "))
    }

    private func openAccounts() throws {
        var batch = WriteBatch()
        for number in 0..<accounts { batch.put("1000 0", forKey: "account \(number)") }
        try store.apply(batch)
    }

    /// Returns the thread's count behind it.
    private func inTransaction(_ transfer: Transfer) throws -> Int {
        try store.transaction(attempts: .max) { tx in
            let (count, changes) = transfer.changes(
                of: try [transfer.from, transfer.to, transfer.counter].map { try tx.get($0) })
            for (key, value) in changes {
                if let value { try tx.put(value, forKey: key) } else { try tx.remove(key) }
            }
            return count
        }
    }

    private func inBatch(_ transfer: Transfer) throws -> Int {
        while true {
            let keys = [transfer.from, transfer.to, transfer.counter]
            let found = try keys.map { try store.getVersioned($0) }
            let (count, changes) = transfer.changes(of: found.map { $0?.value })
            var batch = WriteBatch()
            for (key, value) in changes {
                if let value { batch.put(value, forKey: key) } else { batch.remove(key) }
            }
            let expected = zip(keys, found).map { key, found in
                found.map { Expectation.version($0.version, forKey: key) } ?? .absent(key)
            }
            if try store.apply(batch, expecting: expected) { return count }
        }
    }
}

/// What one transfer is going to do, whatever it finds.
private struct Transfer {
    let from: String
    let to: String
    let counter: String
    private let oddKey: String
    private let amount: Int
    /// Values of many lengths, so that segments fill and are compacted.
    private let padding: String

    init(_ thread: Int, _ accounts: Int, _ random: inout Randomness) {
        let payer = random.below(accounts)
        from = "account \(payer)"
        to = "account \((payer + 1 + random.below(accounts - 1)) % accounts)"
        counter = "counter \(thread)"
        oddKey = "odd \(thread)"
        amount = random.below(300)
        padding = String(repeating: " ", count: random.below(500))
    }

    /// What is to be written where payer, payee and counter have these values; nil removes.
    func changes(of found: [[UInt8]?]) -> (count: Int, changes: [(String, String?)]) {
        let numbers = found.map { value in
            String(decoding: value ?? [], as: UTF8.self).split(separator: " ").map { Int($0)! }
        }
        let amount = min(amount, numbers[0][0])
        let count = (numbers[2].first ?? 0) + 1
        return (
            count,
            [
                (from, "\(numbers[0][0] - amount) \(numbers[0][1] + 1)\(padding)"),
                (to, "\(numbers[1][0] + amount) \(numbers[1][1])\(padding)"),
                (counter, "\(count)"), (oddKey, count % 2 == 1 ? padding : nil),
            ]
        )
    }
}
