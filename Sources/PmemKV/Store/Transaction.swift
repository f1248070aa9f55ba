/// Reads and writes that take effect as one, at one moment.
///
/// It sees the store with its own writes in it. What it read is looked at again when it commits:
/// where others have changed that meanwhile, nothing is written, and its body runs anew. Until then
/// a body may see two keys as they never were together; neither what it writes nor an error that it
/// throws because of that comes to anything.
///
/// Used by the body of ``PmemStore/transaction(durability:attempts:_:)`` alone, on its thread; when
/// that has returned every call throws `invalidArgument`.
///
/// Invariants:
/// - What callers' code was shown is among the conditions before it can act on that; so is what it
///   was not shown of a range up to the last key that it was.
/// - A read that failed says nothing: the transaction cannot commit, whatever its body makes of the
///   error.
/// - Callers' code runs while nothing here is being changed: it may read and write by the same
///   transaction.
public final class Transaction {
    let store: PmemStore
    private var engine: Engine { store.engine }
    private var records: RecordIndex { engine.records }
    private var conditions = Conditions()
    private var writes = PendingWrites()
    private var failure: StoreError?
    private var isOver = false

    init(of store: PmemStore) { self.store = store }

    /// Forgets all of it and keeps the memory.
    func begin() {
        conditions.removeAll()
        writes.removeAll()
        failure = nil
    }

    /// There is no more to be asked of it.
    func end() { isOver = true }

    private func check() throws(StoreError) {
        guard isOver else { return }
        throw StoreError(
            .invalidArgument,
            "a transaction was used behind its end; let nothing but its body refer to it")
    }

    // MARK: Ending

    /// Writes what is to be written, if all that was read is still so. Returns whether it was.
    func commit(relaxed: Bool) throws(StoreError) -> Bool {
        if let failure { throw failure }
        return try engine.apply(writes.batch, relaxed: relaxed, if: conditions)
    }

    /// Whether an error of the body is to be told: it rests on what was there at one moment. Other
    /// ones may be of what never was.
    func isFounded() -> Bool {
        if failure != nil { return true }
        do throws(StoreError) { return try engine.holdNow(conditions) } catch { return true }
    }

    // MARK: Writing

    @usableFromInline
    func add(_ key: RawSpan, _ value: RawSpan?) throws(StoreError) {
        try check()
        let hash = try key.withByteView { key throws(StoreError) in
            if let value {
                try value.withByteView { value throws(StoreError) in
                    try engine.check(key, value)
                }
            } else {
                try engine.check(key)
            }
            return records.hash(key)
        }
        writes.add(key, hash, value)
    }

    // MARK: Reading

    /// Gives a value to body; nil when there is none.
    @usableFromInline
    func borrowValue<R>(
        _ key: RawSpan, _ body: (RawSpan) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        try check()
        let hash = try key.withByteView { key throws(StoreError) in
            try engine.check(key)
            return records.hash(key)
        }
        switch key.withByteView({ writes.update(of: $0, hash) }) {
        case .set(let value): return try value.withStoreBytes(body)
        case .remove: return nil
        case .keep: return try readStored(key, hash, body)
        }
    }

    private func readStored<R>(
        _ key: RawSpan, _ hash: KeyHash, _ body: (RawSpan) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        var isOfBody = false
        do throws(StoreError) {
            let frame = engine.gate.callbacks.enter(.reader)
            let result = try key.withByteView { bytes throws(StoreError) in
                try records.lend(bytes, hash, in: frame) { found throws(StoreError) in
                    conditions.add(key, hash, found.sequence)
                    isOfBody = true
                    let result = try found.value.withSpan(body)
                    isOfBody = false
                    return result
                }
            }
            if result == nil { conditions.add(key, hash, nil) }
            return result
        } catch {
            if !isOfBody { failure = error }
            throw error
        }
    }

    func read(
        _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try check()
        let own = writes.entries(in: range, reverse: reverse)
        var merge = ScanMerge(own, reverse: reverse, limit: limit)
        let changes = engine.index.changes
        var number = SequenceNumber.zero
        var problem: StoreError?
        do throws(StoreError) {
            // Of what is stored, some may be hidden by what is going to be written.
            let limit = limit.addingReportingOverflow(own.count)
            try engine.withView(of: range, reverse: reverse) { view throws(StoreError) in
                number = view.snapshot.number
                try engine.scan(view, limit: limit.overflow ? .max : limit.partialValue) {
                    key, value throws(StoreError) in
                    try merge.show(key, value, body)
                }
            }
            try merge.showRest(body)
        } catch {
            if merge.end == nil { failure = error }
            problem = error
        }
        conditions.add(
            Conditions.OfRange(
                range: merge.end.map { range.part(through: $0, reverse: reverse) } ?? range,
                number: number, count: merge.storedCount, changes: changes))
        if let problem { throw problem }
    }
}
