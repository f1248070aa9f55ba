// Whatever stands on the command line, the command ends by itself with a documented status.

import Foundation
import Testing

@Suite("Any argument of any command")
struct SweepTests {
    let scratch = Scratch()

    /// What the command says of its own arguments, so that a new one is tried as well.
    private struct Description: Decodable {
        struct Command: Decodable {
            var commandName: String
            var subcommands: [Command]?
            var arguments: [Argument]?
        }
        struct Argument: Decodable {
            struct Name: Decodable {
                var name: String
                var kind: String
            }
            var kind: String
            var names: [Name]?
            var valueName: String?
            var allValues: [String]?

            var option: String? {
                names?.first { $0.kind == "long" }.map { "--" + $0.name }
            }
            var isPath: Bool {
                ["pool", "path", "file", "destination", "to"].contains(valueName ?? "")
            }
        }
        var command: Command
    }

    private static let statuses: Set<Int32> = [0, 1, 28, 64, 65, 66, 73, 74, 75]

    private static let words = [
        "", "-", "-1", "0", "1", "1.5", "9223372036854775807", "99999999999999999999", "nan",
        "1e400", "abc", "٣", "\u{1B}[31m\n\u{9B}", String(repeating: "6b", count: 35_000),
    ]

    /// Values for an argument; none of them names a file in the directory that the tests run in.
    private func values(_ argument: Description.Argument, of command: String) -> [String] {
        if let values = argument.allValues { return values + ["", "nan", "\u{1B}[31m\n"] }
        guard argument.isPath, !(command == "scan" && argument.valueName == "to") else {
            return Self.words
        }
        return Self.words.suffix(2).map { scratch.path + "/" + $0 }
            + ["", "/", "/dev/null", "/proc/self/mem", "/no/such/place"]
    }

    /// Arguments that would do in a sound pool.
    private func sound(_ command: Description.Command) -> [(Description.Argument, String)] {
        (command.arguments ?? []).filter { $0.kind == "positional" }.map { argument in
            switch argument.valueName {
            case "pool" where command.commandName == "create": (argument, scratch.file("new"))
            case "pool", "path": (argument, scratch.file("pool"))
            case "destination": (argument, scratch.file("backup"))
            case "file": (argument, scratch.file("dump"))
            case "subcommands": (argument, "get")
            default: (argument, "6b")
            }
        }
    }

    private func tryOut(_ command: [String], _ options: [String]) {
        // Something that waits for ever is a fault as well; `timeout` ends with 124.
        let line = [Program.pmemkv] + command + options
        let outcome = Program.run(program: ["/usr/bin/timeout", "60"] + line)
        let told = line.dropFirst().map { String($0.prefix(60)) }
        #expect(
            outcome.status.map(Self.statuses.contains) == true, "\(told): \(outcome)")
        let isExplained = !outcome.output.isEmpty || !outcome.diagnostics.isEmpty
        #expect(outcome.status == 0 || outcome.status == 1 || isExplained, "\(told)")
        let isControl = outcome.diagnostics.unicodeScalars.contains {
            $0 != "\n" && $0.properties.generalCategory == .control
        }
        #expect(!isControl, "\(told): \(outcome)")
    }

    /// A number that did not fit, a range upside down or a word with control characters went where
    /// nobody looked at it, in one command and not in another.
    @Test("Every option and argument with hostile values, and every flag")
    func everyArgument() throws {
        let pool = scratch.pool("pool", [("k", "v"), ("6b", "v")])
        #expect(Program.shell("pmemkv dump '\(pool)' -q > '\(scratch.file("dump"))'").status == 0)
        let json = Program.run("--experimental-dump-help").output
        let description = try JSONDecoder().decode(Description.self, from: Data(json))
        let commands = try #require(description.command.subcommands)
        #expect(commands.count > 15)
        for command in commands {
            let sound = sound(command)
            // A pool of the size that is chosen without the option takes too long.
            let always = command.commandName == "create" ? ["--force", "--size=1MiB"] : []
            for (place, (argument, _)) in sound.enumerated() {
                for value in values(argument, of: command.commandName) {
                    var given = sound.map(\.1)
                    given[place] = value
                    tryOut([command.commandName] + always, ["--"] + given)
                }
            }
            let base = [command.commandName] + sound.map(\.1)
            for argument in command.arguments ?? [] {
                guard let option = argument.option else { continue }
                if argument.kind == "flag" { tryOut(base + always, [option]) }
                guard argument.kind == "option" else { continue }
                let isAlways = always.contains { $0.hasPrefix(option + "=") }
                for value in values(argument, of: command.commandName) {
                    tryOut(base + (isAlways ? [] : always), ["\(option)=\(value)"])
                }
                tryOut(base, [option])
            }
        }
        #expect(Program.run("get", pool, "k").text == "v")
    }

    @Test("Ranges upside down, empty and outside are empty")
    func ranges() {
        let pool = scratch.pool("pool", [("k", "v")])
        for range in [
            ["--from", "z", "--to", "a"], ["--from", "k", "--to", "k"], ["--limit", "0"],
            ["--prefix", "a", "--from", "z"], ["--prefix", "z", "--to", "a", "--reverse"],
            ["--from", "ff", "--to", "00", "--hex"],
        ] {
            let outcome = Program.run(["scan", pool] + range)
            #expect(outcome.status == 0 && outcome.output.isEmpty, "\(range): \(outcome)")
        }
        let all = Program.run("scan", pool, "--limit", "9223372036854775807")
        #expect(all.status == 0 && all.text == "k\tv\n", "\(all)")
    }
}
