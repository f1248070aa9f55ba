import Glibc
import PmemKV

/// One medium's part in a boot of the power-cut test: verify what the last cut left, then write and
/// acknowledge until the next one.
///
/// arguments: pool= seed= counts=N,N,N,N (operations known to be acknowledged, one a lane)
///   create=SIZE|device (first boot only) mode=shell|threads|verify io= round=
///
/// Lane 0 belongs to the mode `shell`, which drives the command `pmemkv shell` in lock step; lanes
/// 1 to 3 are threads of the mode `threads`. `A MEDIUM.LANE COUNT` acknowledges the first COUNT
/// operations of a lane. The line has left the machine (tcdrain) before the lane's next operation
/// starts, so the host misses at most the acknowledgement of one operation a lane.
struct PowerCut {
    static let lanes = 4
    private let arguments: Arguments
    private let report: Reporter
    private let pool: String
    private var counts: [Int]

    init(_ arguments: Arguments, _ report: Reporter) {
        self.arguments = arguments
        self.report = report
        pool = arguments.string("pool")
        counts = arguments.string("counts").split(separator: ",").map { Int($0)! }
    }

    private func history(_ lane: Int) -> History {
        History(seed: UInt64(arguments.number("seed", default: 1)), lane: lane, largestValue: 6000)
    }

    mutating func run() throws {
        if let size = arguments["create"] {
            var options = CreateOptions()
            options.size = Int(size)
            options.open.io = arguments.io
            try PmemStore.create(at: pool, options: options).close()
        }
        var options = OpenOptions()
        options.io = arguments.io
        let store = try PmemStore.open(at: pool, options: options)
        try verify(store)
        switch arguments["mode"] {
        case "threads": try writeWithThreads(store)
        case "shell":
            try store.close()
            try writeWithShell()
        default: try store.close()
        }
    }

    /// The state must be exactly that after N operations of each lane, or after N + 1: the one more
    /// is the operation whose acknowledgement was under way when the power went.
    private mutating func verify(_ store: PmemStore) throws {
        let test = "cut-\(arguments["round"] ?? "0")"
        var expectedCount = 0
        for lane in 0..<Self.lanes {
            let history = history(lane)
            let keys = (0..<History.keys).map(history.key)
            var model = history.state(after: counts[lane])
            var difference = try store.difference(from: model, keys: keys)
            if let first = difference {
                History.apply(history.operation(counts[lane]), to: &model)
                difference = try store.difference(from: model, keys: keys)
                if let second = difference {
                    let number = counts[lane]
                    throw Mismatch(
                        """
                        lane \(lane) after \(number) operations: \(first); after one more: \
                        \(second)
                        """)
                }
                counts[lane] += 1
            }
            expectedCount += model.count
        }
        guard store.count == expectedCount else {
            throw Mismatch("\(store.count) keys after the cut, expected \(expectedCount)")
        }
        let list = counts.map(String.init).joined(separator: ",")
        say("@verified \(report.medium) \(list)")
        report.pass(test)
        tcdrain(STDOUT_FILENO)
    }

    private func writeWithThreads(_ store: PmemStore) throws {
        let counts = counts
        let histories = (0..<Self.lanes).map(history)
        let medium = report.medium
        let failures = runThreads(Self.lanes - 1) { thread throws(StoreError) in
            let lane = thread + 1
            var number = counts[lane]
            while true {
                try store.perform(histories[lane].operation(number))
                number += 1
                acknowledge("\(medium).\(lane)", number)
            }
        }
        throw Mismatch(failures.joined(separator: "; "))
    }

    private func writeWithShell() throws {
        let shell = try ShellProcess(pool: pool, syscalls: arguments["io"] == "syscalls")
        let history = history(0)
        var number = counts[0]
        while true {
            try shell.perform(history.operation(number))
            number += 1
            acknowledge("\(report.medium).0", number)
        }
    }
}

/// Writes one acknowledgement to the serial line and waits until it is out.
private func acknowledge(_ lane: String, _ count: Int) {
    say("A \(lane) \(count)")
    tcdrain(STDOUT_FILENO)
}
