import ArgumentParser
import Foundation
import Testing

@testable import pmemkv_bench

/// What is wrong with the words of a command is told in a sentence that helps.
@Suite struct MessageTests {
    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return BenchCommand.message(for: error)
        }
    }

    /// A misspelt engine was only called unknown, and a report that was not there showed the
    /// description of Foundation's error object.
    @Test func wrongWordsAreAnsweredWithTheRightOnes() {
        var notes: [String] = []
        let engine = message {
            _ = try Selection.engines(
                "pmemkv,lmbd", durability: "both", index: "both", onDevice: false, &notes)
        }
        #expect(engine.contains("'lmbd'") && engine.contains("lmdb-nosync"), "\(engine)")
        let workload = message { _ = try Selection.workloads(",") }
        #expect(workload.contains("readrandom") && workload.contains("ycsb"), "\(workload)")
        let missing = message { _ = try AnyReport(path: "/no/such/report.json") }
        #expect(missing == "cannot open /no/such/report.json: No such file or directory")
        let noReport = message { _ = try AnyReport(path: "/proc/self/status") }
        #expect(noReport.contains("is no result file"), "\(noReport)")
        let noPlace = message {
            _ = try KVCommand.parseAsRoot(["--json", "/no/such/directory/result.json"])
        }
        #expect(noPlace.contains("no file can be made"), "\(noPlace)")
    }

    /// Numbers went into arithmetic unseen: a time that is no number, and counts that do not fit,
    /// ended the program by a trap.
    @Test(arguments: [
        ["kv", "--time-limit", "nan"], ["kv", "--duration", "-1"], ["kv", "--warmup", "1e300"],
        ["kv", "--budget", "inf"], ["kv", "--keys", "9223372036854775807"], ["kv", "--keys", "0"],
        ["kv", "--operations", "-1"], ["kv", "--repetitions", "0"], ["kv", "--threads", "65"],
        ["kv", "--segment-size", "-1"], ["kv", "--engines", ""], ["io", "--seconds", "nan"],
        ["io", "--repetitions", "9223372036854775807"], ["io", "--blocks", "1e300"],
        ["io", "--threads", "1e30"], ["io", "--threads", ""], ["io", "--size", "-1"],
        ["io", "--size", "9223372036854775807"], ["io", "--media-latency", "x"],
        ["io", "--compare", "a"], ["io", "--operations", ","],
    ])
    func wrongNumbersAreRefused(_ words: [String]) {
        let told = message {
            var command = try BenchCommand.parseAsRoot(words)
            try command.run()
        }
        #expect(!told.isEmpty, "\(words)")
    }

    @Test func comparingShowsItsSyntax() {
        let told = message {
            var command = try BenchCommand.parseAsRoot(["io", "--compare", "a", "b", "c"])
            try command.run()
        }
        #expect(told.contains("a=/mnt/pmem0 b=/mnt/pmem1 --compare a b"), "\(told)")
    }
}
