// SIGKILL at random moments while `pmemkv shell` acknowledges writes on a pipe: after the restart
// everything acknowledged is there, and of what was not at most the one operation under way.

import Glibc
import Testing

@Suite("Killed in the middle of writing")
struct KillTests {
    /// How a pool is written, and how often the writer is killed. In all 200 times.
    struct Way: Sendable, CustomTestStringConvertible {
        var name: String
        var options: [String] = []
        var environment: [String: String] = [:]
        var inMemory = true
        var kills: Int

        var testDescription: String { name }
    }

    static let ways = [
        Way(
            name: "flush and fence", environment: ["PMEM_IS_PMEM_FORCE": "1"], kills: 100),
        Way(name: "msync", inMemory: false, kills: 50),
        Way(name: "read and write", options: ["--io", "syscalls"], inMemory: false, kills: 50),
    ]

    @Test("Every acknowledged operation is there", .timeLimit(.minutes(5)), arguments: ways)
    func kill(way: Way) throws {
        let scratch = Scratch(inMemory: way.inMemory)
        let pool = scratch.pool(size: "2MiB")
        var workload = Workload(seed: UInt64.random(in: .min ... .max))
        for round in 0..<way.kills {
            let shell = ShellProcess(pool, way.options, environment: way.environment)
            let killer = Killer(shell, after: UInt32.random(in: 0...40_000))
            var acknowledged = 0
            while let step = workload.run(on: shell) { acknowledged += step }
            killer.wait()
            let dump = Program.run(
                ["dump", pool] + way.options, environment: way.environment)
            #expect(dump.status == 0, "round \(round): \(dump)")
            let found = try dump.records()
            let difference = workload.difference(found)
            #expect(
                difference == nil,
                """
                round \(round), seed \(workload.seed), \(acknowledged) acknowledged: \
                \(difference ?? "")
                """
            )
            guard difference == nil else { return }
            workload.model = found
        }
        let check = Program.run("check", pool)
        #expect(check.status == 0, "\(check)")
    }
}

/// Puts, overwrites, deletes and batches, and what the store must hold after them.
private struct Workload {
    typealias Change = (key: [UInt8], value: [UInt8]?)

    let seed: UInt64
    var model: [[UInt8]: [UInt8]] = [:]
    private var generator: Seeded
    /// What was sent and not acknowledged: it may be there, whole, or not.
    private var pending: [Change] = []

    init(seed: UInt64) {
        self.seed = seed
        generator = Seeded(state: seed)
    }

    /// Sends an operation and waits for its acknowledgement; nil when the shell is gone.
    mutating func run(on shell: ShellProcess) -> Int? {
        let size =
            Int.random(in: 0..<8, using: &generator) == 0
            ? Int.random(in: 2...8, using: &generator) : 1
        pending = (0..<size).map { _ in change() }
        if size == 1 {
            let isRemoval = pending[0].value == nil
            guard let reply = shell.ask(line(pending[0])) else { return nil }
            #expect(isRemoval ? reply.hasPrefix("(integer) ") : reply == "OK", "\(reply)")
        } else {
            shell.send("multi\n" + pending.map { line($0) + "\n" }.joined() + "exec\n")
            for expected in ["OK"] + pending.map({ _ in "QUEUED" }) + ["OK"] {
                guard let reply = shell.reply() else { return nil }
                #expect(reply == expected)
            }
        }
        for change in pending { model[change.key] = change.value }
        pending = []
        return 1
    }

    private mutating func change() -> Change {
        let key = Array("key\(Int.random(in: 0..<300, using: &generator))".utf8)
        if Int.random(in: 0..<4, using: &generator) == 0 { return (key, nil) }
        let length = [0, 1, 16, 63, 64, 65, 200, 1000, 3000].randomElement(using: &generator)!
        let letter = UInt8.random(in: 97...122, using: &generator)
        let stamp = Array(String(generator.next()).utf8)
        return (key, stamp.prefix(length) + Array(repeating: letter, count: max(0, length - 20)))
    }

    private func line(_ change: Change) -> String {
        let key = String(decoding: change.key, as: UTF8.self)
        guard let value = change.value else { return "del \(key)" }
        return "put \(key) \"\(String(decoding: value, as: UTF8.self))\""
    }

    /// How what was found differs from the model with the pending change and from that without.
    func difference(_ found: [[UInt8]: [UInt8]]) -> String? {
        if found == model { return nil }
        var changed = model
        for change in pending { changed[change.key] = change.value }
        if found == changed { return nil }
        let keys = Set(found.keys).union(model.keys).filter { found[$0] != model[$0] }
        return keys.map { key in
            "\(String(decoding: key, as: UTF8.self)): \(found[key]?.count ?? -1) bytes for "
                + "\(model[key]?.count ?? -1), pending "
                + "\(pending.filter { $0.key == key }.map { $0.value?.count ?? -1 })"
        }.joined(separator: "; ")
    }
}

/// Sends SIGKILL from a thread of its own, so that it comes at any moment.
final class Killer {
    private var thread = pthread_t()

    private final class Order {
        let shell: ShellProcess
        let microseconds: UInt32

        init(_ shell: ShellProcess, _ microseconds: UInt32) {
            self.shell = shell
            self.microseconds = microseconds
        }
    }

    init(_ shell: ShellProcess, after microseconds: UInt32) {
        let order = Unmanaged.passRetained(Order(shell, microseconds)).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                let order = Unmanaged<Order>.fromOpaque(argument!).takeRetainedValue()
                usleep(order.microseconds)
                order.shell.sendKill()
                return nil
            }, order)
    }

    func wait() { pthread_join(thread, nil) }
}
