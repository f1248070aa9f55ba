// Whatever is written behind an option, the command says what is wrong with it, or does it; no
// signal ends it, and nothing hangs.

import Glibc
import Testing

@Suite("Arguments")
struct ArgumentTests {
    private static let words = [
        "", "-1", "-", "--", "0", "nan", "-inf", "1e300", "1.5", "9223372036854775807",
        "-9223372036854775808", "99999999999999999999999", "9999999TiB", "KiB", "%s\u{ff}",
    ]

    /// Every option that takes a value, with the command and the arguments that it needs.
    private static let options: [(command: [String], option: String)] = [
        (["create", "NEW"], "--size"), (["create", "NEW"], "--segment-size"),
        (["create", "NEW"], "--io"), (["create", "NEW"], "--require"),
        (["repair", "POOL", "--to", "NEW"], "--size"), (["scan", "POOL"], "--limit"),
        (["scan", "POOL"], "--prefix"), (["scan", "POOL"], "--from"), (["scan", "POOL"], "--to"),
        (["scan", "POOL", "--hex"], "--prefix"), (["get", "POOL", "key"], "--io"),
        (["get", "POOL", "key"], "--require"), (["check", "POOL"], "--io"),
    ]

    @Test(arguments: 0..<options.count)
    func everyOptionTakesAnyWord(number: Int) throws {
        let (command, option) = Self.options[number]
        let scratch = Scratch()
        let pool = scratch.pool("pool", [("key", "value")])
        let names = ["POOL": pool, "NEW": scratch.file("new")]
        for word in Self.words {
            let arguments = command.map { names[$0] ?? $0 }
            let outcome = Program.run(arguments + ["\(option)=\(word)"])
            #expect([0, 1, 64, 73, 74].contains(outcome.status), "\(word): \(outcome)")
            #expect(outcome.status == 0 || !outcome.diagnostics.isEmpty, "\(word)")
            unlink(scratch.file("new"))
        }
    }

    /// The commands that take words without an option, with every word in each place.
    @Test(arguments: [
        ["get", "POOL", "?"], ["put", "POOL", "?", "value"], ["put", "POOL", "key", "?"],
        ["delete", "POOL", "?"], ["exists", "POOL", "?"], ["get", "?", "key"], ["count", "?"],
        ["info", "?"], ["check", "?"], ["dump", "?"], ["load", "POOL", "?"], ["doctor", "?"],
        ["get", "POOL", "--hex", "?"], ["stat", "?"], ["?"],
    ])
    func everyPlaceTakesAnyWord(command: [String]) throws {
        let pool = Scratch()
        let path = pool.pool("pool", [("key", "value")])
        for word in Self.words {
            let arguments = command.map { $0 == "?" ? word : $0 == "POOL" ? path : $0 }
            let outcome = Program.run(arguments)
            #expect(outcome.signal == nil, "\(arguments): \(outcome)")
        }
    }
}
