extension PmemStore {
    /// Runs body with a transaction and commits what it wrote: after a crash all of it or nothing,
    /// and for readers all at once. Transactions are serialisable, among each other and with all
    /// other writes: what one has read, keys that were not there and whole ranges included, is as
    /// it was when it commits.
    ///
    /// From any thread at any time; each call's transaction belongs to its body. What it has read
    /// may be relaxed writes of others: a crash can take those back and leave what rests on them.
    ///
    /// Optimistic: nothing is locked while body runs. Where others have written what it read, it
    /// runs again, after a wait of at most a millisecond; so it may run several times, and should
    /// change nothing but by the transaction. It may also use the store itself, even close it; that
    /// is then no part of the transaction, which conflicts when it has read what is written so.
    /// When body throws, nothing is written, and its error is thrown once it is known to rest on
    /// what was there at one moment. For reads alone that need no retry there is ``snapshot()``.
    ///
    /// - Parameters:
    ///   - durability: that of the writes, as with ``apply(_:durability:)``.
    ///   - attempts: how often body runs at most.
    /// - Throws: what body throws; `conflict` when others were in the way at each attempt; what
    ///   ``apply(_:durability:)`` throws, and `readOnly` only where something is to be written:
    ///   then nothing was.
    /// - Complexity: that of its reads, and of a batch of its writes; each key that was read is
    ///   looked up once more. Memory for keys and values of all writes, and keys of all reads. For
    ///   ranges see ``Transaction/scan(_:reverse:limit:_:)``.
    @inlinable
    public func transaction<R>(
        durability: Durability = .durable, attempts: Int = 100,
        _ body: (Transaction) throws -> R
    ) throws -> R {
        var result: R?
        try run(durability, attempts) { result = try body($0) }
        guard let result else { preconditionFailure("a transaction ended without its body") }
        return result
    }

    @usableFromInline
    func run(
        _ durability: Durability, _ attempts: Int, _ body: (Transaction) throws -> Void
    ) throws {
        guard attempts > 0 else {
            throw StoreError(
                .invalidArgument, "a transaction cannot be tried \(attempts) times; at least once")
        }
        let transaction = Transaction(of: self)
        defer { transaction.end() }
        for attempt in 0..<attempts {
            if attempt > 0 {
                SpinWait.backOff(round: attempt)
                transaction.begin()
            }
            do {
                try body(transaction)
            } catch {
                if transaction.isFounded() { throw error }
                continue
            }
            if try transaction.commit(relaxed: durability == .relaxed) { return }
        }
        throw StoreError(
            .conflict,
            "others wrote what the transaction had read, each of the \(attempts) times that it was "
                + "tried; let it read less, or allow for more attempts")
    }
}
