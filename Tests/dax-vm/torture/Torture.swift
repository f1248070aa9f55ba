// Guest-side test program of the emulated persistent-memory machine; the tests of the command have
// it killed in the middle of transfers.
//
// usage: pmemkv-torture COMMAND key=value ...
// Checks are reported on standard output as `@pass MEDIUM TEST` and `@fail MEDIUM TEST DETAIL`,
// which the host counts. The exit code is 0 unless the program could not do its work at all.

import Glibc
import PmemKV

@main
struct Torture {
    static func main() {
        let arguments = Arguments(CommandLine.arguments.dropFirst())
        let report = Reporter(medium: arguments["medium"] ?? "medium")
        do {
            switch arguments.command {
            case "suite": try Suite(arguments, report).run()
            case "threads": try groupedPuts(arguments, report)
            case "puts": try plainPuts(arguments, report)
            case "cut":
                var cut = PowerCut(arguments, report)
                try cut.run()
            case "trace": try FlushTrace(arguments, report).run()
            case "fault": try Fault(arguments, report).run()
            case "growth": try Growth(arguments).run()
            case "transfers": try Transfers(arguments).run()
            default:
                say("unknown command \(arguments.command)")
                exit(64)
            }
        } catch {
            report.fail(arguments["round"].map { "cut-\($0)" } ?? arguments.command, "\(error)")
            exit(1)
        }
    }
}

/// The command and its `key=value` words.
struct Arguments {
    let command: String
    private var values: [String: String] = [:]

    init(_ words: ArraySlice<String>) {
        command = words.first ?? ""
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1)
            values[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
        }
    }

    subscript(_ name: String) -> String? { values[name] }

    func number(_ name: String, default value: Int) -> Int {
        values[name].flatMap { Int($0) } ?? value
    }

    func string(_ name: String) -> String {
        guard let value = values[name] else {
            say("\(command): \(name)= is missing")
            exit(64)
        }
        return value
    }

    var io: IOPath { values["io"] == "syscalls" ? .syscalls : .automatic }
}

/// Writes one line with one system call, so that lines of several processes on one serial port do
/// not mix.
func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    let written = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    precondition(written == bytes.count, "standard output is gone")
}

/// Prints checks in the form the host counts.
struct Reporter: Sendable {
    let medium: String

    func pass(_ test: String) { say("@pass \(medium) \(test)") }

    func fail(_ test: String, _ detail: String) {
        say("@fail \(medium) \(test) \(detail.split(separator: "\n").joined(separator: " "))")
    }

    func check(_ test: String, _ condition: Bool, _ detail: @autoclosure () -> String = "") {
        if condition { pass(test) } else { fail(test, detail()) }
    }

    /// Runs one test; an error is its failure.
    func test(_ name: String, _ body: () throws -> Void) {
        do {
            try body()
            pass(name)
        } catch {
            fail(name, "\(error)")
        }
    }
}

/// A failed expectation inside a test body.
struct Mismatch: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Mismatch(message()) }
}
