import ArgumentParser
import Glibc
import PmemKVText
import Synchronization

struct QuietOption: ParsableArguments {
    @Flag(name: [.customShort("q"), .customLong("quiet")], help: "No progress, no summary line.")
    var isQuiet = false
}

/// What a long command says of itself, on standard error: on a terminal how far it has come, in a
/// line that is written over, and at the end what it has done.
///
/// Invariant: once the work is over nothing shows progress any more, whichever thread it comes
/// from, so that the summary stays.
final class Progress: Sendable {
    private struct Line {
        var width = 0
        var isOver = false
        var lastShown = ContinuousClock.now
    }

    private let line = Mutex(Line())
    private let isQuiet: Bool
    private let isShown: Bool

    init(_ quiet: QuietOption) {
        isQuiet = quiet.isQuiet
        isShown = !isQuiet && isatty(STDERR_FILENO) == 1
    }

    /// Shows how far the work has come, unless that has been told a moment ago.
    func show(_ text: @autoclosure () -> String) {
        guard isShown else { return }
        line.withLock { line in
            guard !line.isOver, ContinuousClock.now - line.lastShown > .milliseconds(250) else {
                return
            }
            line.lastShown = .now
            Self.write(text(), over: &line)
        }
    }

    /// Does work that does not say itself how far it has come: text does, with the time it has
    /// taken, about twice a second.
    func during<R>(_ text: @escaping @Sendable () -> String, _ work: () throws -> R) rethrows -> R {
        guard isShown else { return try work() }
        let started = ContinuousClock.now
        let ticker = Task.detached { [self] in
            while (try? await Task.sleep(for: .milliseconds(500))) != nil {
                let seconds = (ContinuousClock.now - started).components.seconds
                show("\(text()), \(seconds) s")
            }
        }
        defer {
            ticker.cancel()
            end()
        }
        return try work()
    }

    /// Takes the line away, also before an error is told.
    func end() {
        line.withLock { line in
            guard !line.isOver else { return }
            line.isOver = true
            if line.width > 0 { Self.write("", over: &line) }
        }
    }

    func summarise(_ text: String) {
        end()
        if !isQuiet { Diagnostics.print(text) }
    }

    private static func write(_ text: String, over line: inout Line) {
        let text = text.isEmpty ? "" : "pmemkv: " + EscapedText.printable(text)
        let rest = max(0, line.width - text.count)
        Diagnostics.write("\r" + text + String(repeating: " ", count: rest) + "\r")
        line.width = text.count
    }
}
