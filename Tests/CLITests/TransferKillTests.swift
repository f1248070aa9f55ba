// SIGKILL at random moments while several threads move money by transactions and by batches: after
// the restart no half of one is there, and all that was acknowledged is. PMEMKV_KILLS sets how
// often; 200 is its full length.

import Glibc
import Testing

@Suite("Killed in the middle of transactions")
struct TransferKillTests {
    /// How the pool is written, and of ten kills how many are for that.
    struct Way: Sendable, CustomTestStringConvertible {
        var name: String
        var arguments: [String]
        var options: [String] = []
        var environment: [String: String] = [:]
        var inMemory = true
        var share: Int

        var testDescription: String { name }
    }

    static let ways = [
        Way(
            name: "flush and fence", arguments: ["index=hash"],
            environment: ["PMEM_IS_PMEM_FORCE": "1"], share: 3),
        Way(
            name: "flush and fence, ordered", arguments: ["index=ordered"],
            environment: ["PMEM_IS_PMEM_FORCE": "1"], share: 3),
        Way(name: "msync", arguments: ["index=ordered"], inMemory: false, share: 2),
        Way(
            name: "read and write", arguments: ["index=hash", "io=syscalls"],
            options: ["--io", "syscalls"], inMemory: false, share: 2),
    ]

    static let kills = getenv("PMEMKV_KILLS").flatMap { Int(String(cString: $0)) } ?? 10

    @Test("No half, and nothing acknowledged is lost", arguments: ways)
    func kill(way: Way) throws {
        let scratch = Scratch(inMemory: way.inMemory)
        let pool = scratch.pool(size: "1MiB")
        var books = Books()
        var acknowledged = 0
        for round in 0..<max(1, Self.kills * way.share / 10) {
            let seed = UInt32.random(in: .min ... .max)
            let program = ShellProcess(
                command: [
                    Program.pmemkv + "-torture", "transfers", "pool=\(pool)", "seed=\(seed)",
                    "threads=\(Books.threads)", "accounts=\(Books.accounts)",
                ] + way.arguments, environment: way.environment)
            // Now and then before the first one, in the middle of opening.
            var left = Int.random(in: 0..<5) == 0 ? 0 : Int.random(in: 1...500)
            let before = acknowledged
            while left > 0, let line = program.reply() {
                try books.acknowledge(line)
                acknowledged += 1
                left -= 1
            }
            let killer = Killer(program, after: UInt32.random(in: 0...20_000))
            while let line = program.reply() {
                try books.acknowledge(line)
                acknowledged += 1
            }
            killer.wait()
            let dump = Program.run(["dump", pool] + way.options, environment: way.environment)
            #expect(dump.status == 0, "round \(round): \(dump)")
            let problem = books.take(try dump.records())
            try #require(
                problem == nil, "round \(round), \(acknowledged - before) of them: \(problem!)")
        }
        #expect(acknowledged > 0)
        let check = Program.run("check", pool)
        #expect(check.status == 0, "\(check)")
        if Self.kills >= 200 { print("\(way.name): \(acknowledged) acknowledged transfers") }
    }
}

/// What the pool has to hold. See `pmemkv-torture transfers`.
private struct Books {
    static let accounts = 20
    static let threads = 4
    private var counts = [Int](repeating: 0, count: threads)
    private var isOpen = false

    mutating func acknowledge(_ line: String) throws {
        let numbers = line.split(separator: " ").map { Int($0) }
        try #require(numbers.count == 2, "the program printed: \(line)")
        let (thread, count) = (try #require(numbers[0]), try #require(numbers[1]))
        #expect(count > counts[thread])
        counts[thread] = count
        isOpen = true
    }

    /// What is wrong with what was found; where nothing is, that is what is there from now on.
    mutating func take(_ records: [[UInt8]: [UInt8]]) -> String? {
        func numbers(_ key: String) -> [Int] {
            let value = records[Array(key.utf8)] ?? []
            return String(decoding: value, as: UTF8.self).split(separator: " ").map { Int($0)! }
        }
        if records.isEmpty, !isOpen { return nil }
        isOpen = true
        let found = (0..<Self.threads).map { numbers("counter \($0)").first ?? 0 }
        for (thread, (found, known)) in zip(found, counts).enumerated() {
            guard found == known || found == known + 1 else {
                return "thread \(thread) is at \(found), and \(known) were acknowledged"
            }
            guard (records[Array("odd \(thread)".utf8)] != nil) == (found % 2 == 1) else {
                return "thread \(thread) is at \(found), and its other key says otherwise"
            }
        }
        let accounts = (0..<Self.accounts).map { numbers("account \($0)") }
        guard accounts.allSatisfy({ $0.count == 2 && $0[0] >= 0 }) else {
            return "accounts are not as they can be: \(accounts)"
        }
        let sum = accounts.reduce(0) { $0 + $1[0] }
        guard sum == 1000 * Self.accounts else { return "the accounts add up to \(sum)" }
        let paid = accounts.reduce(0) { $0 + $1[1] }
        guard paid == found.reduce(0, +) else {
            return "the accounts paid \(paid) times, and the counters are at \(found)"
        }
        counts = found
        return nil
    }
}
