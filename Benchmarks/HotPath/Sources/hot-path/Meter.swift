import CHotPath
import Glibc

/// Measures loops, in turns with another process.
///
/// A turn begins with a line on standard input, or the end of it, and ends with one on standard
/// output: the operation's name, how many were measured, nanoseconds of CPU time for all of them.
/// Between turns the process waits. So two builds can be measured alternately, each turn some
/// milliseconds after the other's: what else the machine does meanwhile meets both alike.
///
/// The first turn of each operation makes code and data warm and is called so. Under callgrind the
/// instructions of each turn are dumped under its name.
struct Meter {
    private static let turns = 8

    /// A power of two, as the number of turns is.
    let count: Int
    /// The operations to measure; all when empty.
    let wanted: Set<String>

    func wants(_ name: String) -> Bool { wanted.isEmpty || wanted.contains(name) }

    /// Runs body count times in all, and those that make warm besides, with ascending numbers.
    /// `share` divides the count for an operation that consists of many, and `weight` is how many
    /// each is told as.
    @inline(__always)
    func measure(
        _ name: String, share: Int = 1, weight: Int = 1, _ body: (Int) throws -> Void
    ) throws {
        let length = max(1, count / share / Self.turns)
        try measureTurns(name, prepare: { _ in }) { turn in
            for i in (turn * length)..<((turn + 1) * length) { try body(i) }
            return length * weight
        }
    }

    /// Runs body once for each turn, with the turn's number; it returns how many operations that
    /// were. What `prepare` does before is not measured.
    @inline(__always)
    func measureTurns(
        _ name: String, prepare: (Int) throws -> Void, _ body: (Int) throws -> Int
    ) throws {
        guard wants(name) else { return }
        for turn in 0...Self.turns {
            let label = turn == 0 ? "warm-up" : name
            try prepare(turn)
            hot_path_count_begin()
            let start = Self.processTime
            let length = try body(turn)
            let spent = Self.processTime - start
            hot_path_count_end(label)
            print(label, length, spent)
            fflush(nil)
            awaitTurn()
        }
    }

    func awaitTurn() { _ = readLine() }

    /// CPU time of all threads: work that a build moves to another thread is work all the same.
    private static var processTime: Int {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
