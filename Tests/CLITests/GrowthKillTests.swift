// SIGKILL at random moments while a pool grows from 64 MiB to 1 GiB and threads write: after the
// restart it has the old size or the new one, and all that was acknowledged is there.
// PMEMKV_GROWTH_KILLS sets how often; 200 is its full length.

import Glibc
import Testing

@Suite("Killed in the middle of growth")
struct GrowthKillTests {
    /// How the pool is written.
    struct Way: Sendable, CustomTestStringConvertible {
        var name: String
        var arguments: [String]
        var environment: [String: String] = [:]
        var inMemory = true

        var testDescription: String { name }
    }

    static let ways = [
        Way(
            name: "flush and fence", arguments: ["index=hash"],
            environment: ["PMEM_IS_PMEM_FORCE": "1"]),
        Way(name: "msync, ordered", arguments: ["index=ordered"], inMemory: false),
        Way(name: "read and write", arguments: ["io=syscalls"]),
    ]

    static let kills =
        getenv("PMEMKV_GROWTH_KILLS").flatMap { Int(String(cString: $0)) } ?? ways.count

    private static let most = 1 << 30

    @Test("Old size or new size, and nothing acknowledged is lost", arguments: ways)
    func kill(way: Way) throws {
        let scratch = Scratch(inMemory: way.inMemory)
        let pool = scratch.file("pool")
        var books = Books()
        var growths = 0
        for round in 0..<max(1, Self.kills / Self.ways.count) {
            if books.sizes.isEmpty || books.sizes.contains(Self.most) {
                let created = Program.run(
                    "create", pool, "--size", "64MiB", "--max-size", "1GiB", "--force")
                #expect(created.status == 0, "\(created)")
                books = Books()
            }
            let program = ShellProcess(
                command: [
                    Program.pmemkv + "-torture", "growth", "pool=\(pool)", "keys=1500",
                    "most=\(Self.most)", "seed=\(UInt32.random(in: .min ... .max))",
                ] + way.arguments, environment: way.environment)
            var left = Int.random(in: 0..<8) == 0 ? 0 : Int.random(in: 1...200)
            var killer: Killer?
            while let line = program.reply() {
                growths += line.hasPrefix("grown") ? 1 : 0
                let problem = books.take(line)
                try #require(problem == nil, "round \(round): \(problem!)")
                // Most often while it grows.
                left -= line.hasPrefix("grow ") ? 30 : 1
                if left <= 0, killer == nil {
                    killer = Killer(program, after: UInt32.random(in: 0...20_000))
                }
            }
            killer?.wait()
            let check = Program.run("check", pool)
            #expect(check.status == 0, "round \(round): \(check)")
        }
        if Self.kills >= 200 { print("\(way.name): \(growths) acknowledged growths") }
    }
}

/// What the pool has to hold. See `pmemkv-torture growth`.
private struct Books {
    /// Bytes that the pool may have; none as long as that is not known.
    private(set) var sizes: Set<Int> = []
    private var counts = [0, 0]

    /// What is wrong with a line.
    mutating func take(_ line: String) -> String? {
        let words = line.split(separator: " ")
        let numbers = words.compactMap { Int($0) }
        guard words.count >= 2, let last = numbers.last else { return line }
        switch words[0] {
        case "pool":
            defer { sizes = [last] }
            return sizes.isEmpty || sizes.contains(last) ? nil : "\(line), possible: \(sizes)"
        case "grow": sizes.insert(last)
        case "grown": sizes = [last]
        case "found":
            let known = counts[numbers[0]]
            counts[numbers[0]] = last
            return last == known || last == known + 1 ? nil : "\(line), acknowledged: \(known)"
        default: counts[numbers[0]] = last
        }
        return nil
    }
}
