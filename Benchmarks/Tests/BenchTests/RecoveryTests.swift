import Foundation
import Testing

@testable import pmemkv_bench

/// The built program, as a user runs it.
enum BenchProgram {
    static func run(_ arguments: String...) throws -> Int32 {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: own).deletingLastPathComponent()
            .appendingPathComponent("pmemkv-bench")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}

@Suite struct RecoveryTests {
    /// The loading process killed itself only after its engine had gone out of scope, and the store
    /// closes itself then: what the tables called "open after kill" was opened from the checkpoint
    /// of a clean close, and looked ten times as fast as a recovery is.
    @Test(arguments: [EngineKind.pmemkv, .pmemkvOrdered])
    func theStoreIsRecoveredAndNotReopened(_ kind: EngineKind) throws {
        let json = "/tmp/pmemkv-bench-recovery-\(getpid())-\(kind.rawValue).json"
        defer { try? FileManager.default.removeItem(atPath: json) }
        // A store that has changed less than this leaves no checkpoint when it closes.
        let status = try BenchProgram.run(
            "kv", "--engines", kind.rawValue, "--workloads", "fillrandom", "--keys", "70000",
            "--value-size", "40", "--repetitions", "1", "--warmup", "0", "--json", json)
        #expect(status == 0)
        let report = try JSONFile.read(KVReport.self, from: json)
        let engine = try #require(report.engines.first { $0.engine == kind })
        #expect(engine.recoveryUsedCheckpoint == false && engine.openUsedCheckpoint == true)
        #expect(engine.recoverySeconds != nil && engine.verifiedGets > 0)
        #expect(engine.openingAfterKill.hasSuffix(", no checkpoint"))
    }
}
