import Glibc
import PmemKV

/// A deterministic scheduler for two to four threads: one runs at a time, and a seeded generator
/// decides at every medium call, at every scheduling point of the engine (where they are compiled
/// in), and whenever one spins, who goes on.
package final class ThreadScheduler: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private static let most = 4
    private let conditions = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: most)
    private var running = 0
    private var isDone: [Bool] = []
    private var random: SplitMix
    private let medium: SimulatedMedium
    /// One switch in so many possible ones, less one: a power of two less one.
    private let rarity: UInt64
    /// Where to switch, by numbers of scheduling points, instead of at random.
    private let preemptions: [Int]?
    private var taken = 0
    /// Scheduling points that were passed.
    private(set) var points = 0
    private var isHeld = false
    /// Spins without progress, to tell a deadlock.
    private var idleSpins = 0

    /// - Parameter rarity: a power of two; of so many possible switches one is made.
    package convenience init(seed: UInt64, medium: SimulatedMedium, rarity: UInt64 = 4) {
        self.init(seed: seed, medium: medium, rarity: rarity, preemptions: nil)
    }

    /// A scheduler that switches at points with these numbers, ascending, and where one waits.
    package convenience init(preemptedAt points: [Int], medium: SimulatedMedium) {
        self.init(seed: 0, medium: medium, rarity: 1, preemptions: points)
    }

    private init(seed: UInt64, medium: SimulatedMedium, rarity: UInt64, preemptions: [Int]?) {
        random = SplitMix(seed: seed)
        self.rarity = rarity - 1
        self.preemptions = preemptions
        self.medium = medium
        pthread_mutex_init(mutex, nil)
        for number in 0..<Self.most { pthread_cond_init(conditions + number, nil) }
        Self.install
    }

    deinit {
        pthread_mutex_destroy(mutex)
        for number in 0..<Self.most { pthread_cond_destroy(conditions + number) }
        mutex.deallocate()
        conditions.deallocate()
    }

    /// The scheduler of the calling thread, if it has one.
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// Spinning threads give way; threads outside any scheduler to whoever wants to run.
    private static let install: Void = {
        _ = key
        SpinWait.hook = {
            guard let scheduler = current else {
                sched_yield()
                return
            }
            scheduler.spin()
        }
        #if PMEMKV_INTERLEAVINGS
            SchedulingPoint.hook = { current?.mayswitch() }
        #endif
    }()

    /// The scheduler that the calling thread belongs to.
    private static var current: ThreadScheduler? {
        pthread_getspecific(key).map {
            Unmanaged<ThreadScheduler>.fromOpaque($0).takeUnretainedValue()
        }
    }

    /// Whether the engine was built with scheduling points.
    package static var hasSchedulingPoints: Bool { SchedulingPoint.isCompiledIn }

    /// Runs all bodies to their ends, interleaved.
    package func run(_ bodies: [@Sendable () -> Void]) {
        precondition(bodies.count <= Self.most)
        isDone = bodies.map { _ in false }
        Threads.run(
            bodies.enumerated().map { number, body in
                { @Sendable [self] in
                    enter(number)
                    body()
                    leave(number)
                }
            })
    }

    private func enter(_ number: Int) {
        pthread_setspecific(Self.key, Unmanaged.passUnretained(self).toOpaque())
        pthread_mutex_lock(mutex)
        while running != number { pthread_cond_wait(conditions + number, mutex) }
        pthread_mutex_unlock(mutex)
        medium.thread = number
    }

    private func leave(_ number: Int) {
        pthread_setspecific(Self.key, nil)
        pthread_mutex_lock(mutex)
        isDone[number] = true
        if let next = another(than: number) {
            running = next
            pthread_cond_signal(conditions + running)
        }
        pthread_mutex_unlock(mutex)
    }

    /// Runs body without a switch: stores of the tests' own, which pass scheduling points as well,
    /// look at the medium meanwhile.
    func holding<R>(_ body: () -> R) -> R {
        isHeld = true
        defer { isHeld = false }
        return body()
    }

    /// The same for the scheduler of the calling thread, in code that the tests hand in.
    package static func pass() { current?.mayswitch() }

    /// A point where the other thread may go on instead.
    package func mayswitch() {
        if isHeld { return }
        idleSpins = 0
        guard let preemptions else {
            if random.next() & rarity == 0 { handOver() }
            return
        }
        points += 1
        guard taken < preemptions.count, preemptions[taken] == points - 1 else { return }
        taken += 1
        handOver()
    }

    private func spin() {
        idleSpins += 1
        if idleSpins > 20_000 { fatalError("threads wait for each other: deadlock") }
        handOver()
    }

    /// A thread that is not done; of several a random one.
    private func another(than own: Int) -> Int? {
        let others = isDone.indices.filter { $0 != own && !isDone[$0] }
        guard others.count > 1 else { return others.first }
        return others[random.below(others.count)]
    }

    private func handOver() {
        let own = medium.thread
        guard pthread_getspecific(Self.key) != nil, let next = another(than: own) else { return }
        pthread_mutex_lock(mutex)
        running = next
        pthread_cond_signal(conditions + running)
        while running != own { pthread_cond_wait(conditions + own, mutex) }
        pthread_mutex_unlock(mutex)
        medium.thread = own
    }
}
