import CBench
import Foundation

/// The part of a run that happens in a child process, for one engine of a known type.
///
/// Invariant: the process that loads for a recovery ends by SIGKILL while the engine is open. An
/// engine that went out of scope first might close itself, and what follows would open a store
/// that was closed.
struct KVSession: EngineTask {
    let task: ChildTask
    let keys: KeyCodec
    /// Hands the outcome to the process that waits for it.
    let report: (ChildResult) throws -> Void

    var plan: KVPlan { task.plan }
    /// Fills are versions 1, 2, ...; what follows counts on.
    private var loadedVersion: UInt32 { UInt32(plan.fills.count) }

    func run<E: Engine>(_ open: @escaping () throws -> E) throws {
        switch task.phase {
        case .load: try report(load(open, thenWork: false))
        case .loadAndWork: try report(load(open, thenWork: true))
        case .work: try report(work(open))
        case .reopen: try report(reopen(open))
        }
    }

    private func load<E: Engine>(_ open: () throws -> E, thenWork: Bool) throws -> ChildResult {
        var result = ChildResult()
        var state = ExpectedState(keys: plan.keys)
        let memoryBefore = ProcessUsage.anonymousBytes
        for (number, fill) in plan.fills.enumerated() {
            try Self.empty(task.directory)
            let engine = try open()
            result.setup = engine.setup
            state.removeAll()
            let runner = WorkloadRunner(task: task, keys: keys, engine: engine)
            let written = ProcessUsage.bytesWritten
            let (figure, userBytes) = try runner.fill(fill, version: UInt32(number + 1), &state)
            if plan.workloads.contains(fill) { result.figures.append(figure) }
            guard number == plan.fills.count - 1 else {
                try engine.close()
                continue
            }
            bench_trim_heap()
            result.dramBytes = max(0, ProcessUsage.anonymousBytes - memoryBefore)
            result.bytesWritten =
                engine.mediumBytesWritten()
                ?? (task.engine.writesBySystemCall ? ProcessUsage.bytesWritten - written : nil)
            result.userBytesPut = userBytes
            result.mediumBytes =
                engine.mediumBytesInUse()
                ?? ProcessUsage.allocatedBytes(under: task.directory)
            if thenWork { try workOn(engine, &state, &result) }
            if task.endsByKill {
                try withExtendedLifetime(engine) { try reportAndDie(result) }
            }
            try engine.close()
        }
        return result
    }

    /// The crash that the next phase recovers from: nothing runs behind it, no `deinit` either.
    private func reportAndDie(_ result: ChildResult) throws -> Never {
        try report(result)
        kill(getpid(), SIGKILL)
        while true { pause() }
    }

    private func work<E: Engine>(_ open: () throws -> E) throws -> ChildResult {
        var result = ChildResult()
        var state = ExpectedState()
        for index in 0..<plan.keys { state.set(index, loadedVersion) }
        let engine = try timedOpen(open, &result)
        try verify(engine, state, &result)
        try workOn(engine, &state, &result)
        try verify(engine, state, &result)
        try verifyScans(engine, state, &result)
        let start = bench_ticks()
        try engine.close()
        result.closeSeconds = CheapClock.shared.seconds(bench_ticks() - start)
        result.expectedCount = state.count
        return result
    }

    private func workOn<E: Engine>(
        _ engine: E, _ state: inout ExpectedState, _ result: inout ChildResult
    ) throws {
        let runner = WorkloadRunner(task: task, keys: keys, engine: engine)
        var version = loadedVersion
        for workload in plan.afterFill {
            version += 1
            result.figures.append(try runner.measure(workload, version: version, &state))
        }
        result.expectedCount = state.count
    }

    private func reopen<E: Engine>(_ open: () throws -> E) throws -> ChildResult {
        var result = ChildResult()
        let engine = try timedOpen(open, &result)
        result.count = try engine.count()
        try engine.close()
        return result
    }

    /// Opens and reads one key: an engine that defers its work to the first access shows it.
    private func timedOpen<E: Engine>(
        _ open: () throws -> E, _ result: inout ChildResult
    ) throws -> E {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(64, plan.valueSize.largest) + keys.bufferBytes, alignment: 64)
        defer { buffer.deallocate() }
        let keyStart = buffer.baseAddress! + max(64, plan.valueSize.largest)
        let size = keys.write(plan.keys / 2, to: keyStart)
        let cpuAtStart = ProcessUsage.cpuSeconds
        let start = bench_ticks()
        let engine = try open()
        var worker = try engine.makeWorker(thread: 0)
        _ = try worker.get(UnsafeRawBufferPointer(start: keyStart, count: size), into: buffer)
        result.openSeconds = CheapClock.shared.seconds(bench_ticks() - start)
        result.openCPUSeconds = ProcessUsage.cpuSeconds - cpuAtStart
        result.usedCheckpoint = engine.usedCheckpoint
        worker.finish()
        result.setup = engine.setup
        return engine
    }

    /// Removes what a fill before left; a device has nothing to remove.
    static func empty(_ directory: String) throws {
        var isDirectory: ObjCBool = false
        let files = FileManager.default
        guard files.fileExists(atPath: directory, isDirectory: &isDirectory) else {
            try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
            return
        }
        guard isDirectory.boolValue else { return }
        for entry in try files.contentsOfDirectory(atPath: directory) {
            try files.removeItem(atPath: directory + "/" + entry)
        }
    }
}

extension EngineKind {
    /// Its bytes all pass through write(2), so /proc/self/io counts them.
    var writesBySystemCall: Bool {
        switch self {
        case .lmdb, .rocksdb, .rocksdbNoSync, .leveldb, .leveldbNoSync, .pmemkvSyscalls: true
        default: false
        }
    }
}
