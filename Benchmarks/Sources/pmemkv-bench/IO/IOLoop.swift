import CBench
import Foundation

/// Which blocks an operation visits.
enum AccessPattern: String, Codable, CaseIterable, Sendable {
    case random = "rand"
    case sequential = "seq"
}

/// Offsets of one thread: its own part of the target, so that threads share no line.
struct OffsetSource {
    private let start: Int
    private let blocks: Int
    private let blockSize: Int
    private let isRandom: Bool
    private var random: SplitMix
    private var next = 0

    init(size: Int, blockSize: Int, pattern: AccessPattern, thread: Int, threads: Int, seed: UInt64)
    {
        let part = size / max(1, threads) / blockSize * blockSize
        start = part * thread
        blocks = max(1, part / blockSize)
        self.blockSize = blockSize
        isRandom = pattern == .random
        random = SplitMix(seed: seed &+ UInt64(thread) &* 104_729)
    }

    @inline(__always)
    mutating func take() -> Int {
        if isRandom { return start + random.below(blocks) * blockSize }
        defer { next = next + 1 == blocks ? 0 : next + 1 }
        return start + next * blockSize
    }
}

/// What one thread did in one slice of time.
struct IOOutcome: Sendable {
    var done = 0
    /// Time inside operations, in ticks; renewals are not part of it.
    var ticks: UInt64 = 0
    var latency = LatencyRecorder()
}

/// The measured loop, specialised for each body. As in the kv run, one reading of the clock an
/// operation.
struct IOLoop<Body: IOBody> {
    var body: Body
    var offsets: OffsetSource

    @inline(never)
    mutating func run(ticks limit: UInt64) throws -> IOOutcome {
        var outcome = IOOutcome()
        var latency = LatencyRecorder()
        if body.isExhausted { try body.renew() }
        let start = bench_ticks()
        var last = start
        while last &- start < limit {
            if body.isExhausted {
                try body.renew()
                last = bench_ticks()
            }
            try body.perform(offsets.take())
            let now = bench_ticks()
            latency.record(now &- last)
            outcome.ticks &+= now &- last
            outcome.done &+= 1
            last = now
        }
        outcome.latency = latency
        return outcome
    }

    /// A fixed number of operations, for counting instead of timing.
    @inline(never)
    mutating func repeatExactly(_ count: Int) throws {
        for _ in 0..<count {
            if body.isExhausted { try body.renew() }
            try body.perform(offsets.take())
        }
    }
}

/// Something done with an operation's body, whatever its type.
protocol IOBodyTask {
    associatedtype Output
    func run<B: IOBody>(_ type: B.Type) throws -> Output
}

extension IOOperation {
    /// Hands the concrete type of the operation's body to the task.
    func perform<T: IOBodyTask>(_ task: T) throws -> T.Output {
        switch self {
        case .pread: return try task.run(PreadBody.self)
        case .pwrite: return try task.run(PwriteBody.self)
        case .pwriteDsync: return try task.run(PwriteDsyncBody.self)
        case .pwriteFdatasync: return try task.run(PwriteFdatasyncBody.self)
        case .load: return try task.run(LoadBody.self)
        case .storeFlush: return try task.run(StoreFlushBody.self)
        case .ntStore: return try task.run(NTStoreBody.self)
        case .msync: return try task.run(MsyncBody.self)
        case .directRead: return try task.run(DirectReadBody.self)
        case .processRead: return try task.run(ProcessReadBody.self)
        case .faultFirst4K: return try task.run(FaultFirstBody.self)
        case .faultRead4K: return try task.run(FaultReadBody.self)
        case .faultWrite4K: return try task.run(FaultWriteBody.self)
        case .faultWrite2M: return try task.run(FaultWriteHugeBody.self)
        case .openPrefault: return try task.run(OpenPrefaultBody.self)
        case .uringRegister, .uringRead: return try performUring(task)
        case .kvPutMapped, .kvPutSyscalls, .kvGetMapped, .kvGetSyscalls:
            return try performStore(task)
        }
    }

    private func performUring<T: IOBodyTask>(_ task: T) throws -> T.Output {
        #if HAVE_URING
            return self == .uringRead
                ? try task.run(UringReadBody.self) : try task.run(UringRegisterBody.self)
        #else
            throw BenchError(
                "io_uring is not part of this build: install liburing-dev, build again")
        #endif
    }

    private func performStore<T: IOBodyTask>(_ task: T) throws -> T.Output {
        switch self {
        case .kvPutMapped: return try task.run(StoreBody<StorePut, MappedStorePath>.self)
        case .kvPutSyscalls: return try task.run(StoreBody<StorePut, SyscallStorePath>.self)
        case .kvGetMapped: return try task.run(StoreBody<StoreGet, MappedStorePath>.self)
        default: return try task.run(StoreBody<StoreGet, SyscallStorePath>.self)
        }
    }
}
