/// How long writes have waited for space, or made it themselves.
///
/// The clock is looked at where a write leaves its usual way, and only there.
struct StallClock: ~Copyable {
    private let lines = SharedLines(1)

    private enum Word: Int {
        case count, nanoseconds, longest
    }

    private func word(_ word: Word) -> AtomicWord { lines[0, word.rawValue] }

    /// Stalls so far.
    var count: Int { Int(truncatingIfNeeded: word(.count).loadRelaxed()) }
    /// Nanoseconds of all of them, and of the longest.
    var nanoseconds: Int { Int(truncatingIfNeeded: word(.nanoseconds).loadRelaxed()) }
    var longest: Int { Int(truncatingIfNeeded: word(.longest).loadRelaxed()) }

    /// Counts a stall that began at a time of ``MonotonicClock`` and ends now.
    func note(since start: UInt64) {
        let length = MonotonicClock.nanoseconds &- start
        word(.count).addRelaxed(1)
        word(.nanoseconds).addRelaxed(length)
        var known = word(.longest).loadRelaxed()
        while length > known, !word(.longest).compareExchange(known, length) {
            known = word(.longest).loadRelaxed()
        }
    }
}
