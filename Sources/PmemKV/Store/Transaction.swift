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
/// - What callers' code was shown is among the conditions before the transaction can commit, and
///   so is what was not there: of a range, up to the last key that was shown.
/// - A read that failed says nothing: the transaction cannot commit, whatever its body makes of the
///   error.
/// - Callers' code runs while nothing here is being changed: it may read and write by the same
///   transaction.
public final class Transaction {
    let store: PmemStore
    private let engine: Engine
    private let records: RecordIndex
    @exclusivity(unchecked) private var content = Content()

    struct Content {
        var conditions = Conditions()
        var writes = PendingWrites()
        /// Of a read.
        var failure: StoreError?
        var isOver = false

        /// Forgets all and keeps the memory.
        mutating func removeAll() {
            conditions.removeAll()
            writes.removeAll()
            failure = nil
        }

        var isSmall: Bool { conditions.isSmall && writes.isSmall }
    }

    /// Unchecked: no access calls callers' code (see above), and the checks of a short transaction
    /// took a tenth of its time.
    private var state: Content {
        @inline(__always) _read { yield unsafe content }
        @inline(__always) _modify { yield unsafe &content }
    }

    init(of store: PmemStore) {
        self.store = store
        engine = store.engine
        records = store.records
        engine.spareContent.exchange(with: &state)
    }

    /// Begins anew.
    func begin() { state.removeAll() }

    /// There is no more to be asked of it.
    func end() {
        state.removeAll()
        if state.isSmall { engine.spareContent.exchange(with: &state) }
        state = Content(isOver: true)
    }

    /// The memory of the last transaction, for the next one: to make it anew costs as much as a
    /// put.
    final class Spare: @unchecked Sendable {
        private let words = SharedLines(1)
        private var lock: SpinLock { SpinLock(words[0]) }
        private var content = Content()

        /// Both are empty. Does nothing where another thread is at it.
        func exchange(with other: inout Content) {
            guard lock.tryLock() else { return }
            swap(&content, &other)
            lock.unlock()
        }
    }

    /// Refuses what is asked behind the end, or of a store that is closed.
    func checkUse() throws(StoreError) {
        guard state.isOver else { return try engine.gate.checkReadable() }
        throw StoreError(
            .invalidArgument,
            "a transaction was used behind its end; let nothing but its body refer to it")
    }

    // MARK: Ending

    /// Writes what is to be written, if all that was read is still so. Returns whether it was.
    func commit(relaxed: Bool) throws(StoreError) -> Bool {
        if let failure = state.failure { throw failure }
        // Taken out, so that nothing is retained.
        var content = Content()
        swap(&content, &state)
        defer { swap(&content, &state) }
        return try engine.apply(content.writes.batch, relaxed: relaxed, if: content.conditions)
    }

    /// Whether an error of the body is to be told: it rests on what was there at one moment. Other
    /// ones may be of what never was.
    func isFounded() -> Bool {
        if state.failure != nil { return true }
        do throws(StoreError) { return try engine.holdNow(state.conditions) } catch { return true }
    }

    // MARK: Writing

    @usableFromInline
    func add(_ key: RawSpan, _ value: RawSpan?, in table: [UInt8]?) throws(StoreError) {
        try checkUse()
        try key.withByteView { key throws(StoreError) in
            if let value {
                try value.withByteView { value throws(StoreError) in
                    try engine.check(key, value)
                }
            } else {
                try engine.check(key)
            }
        }
        state.writes.add(key, value, in: table)
    }

    // MARK: Reading

    /// Gives a value to body, if there is one.
    func borrowValue(
        _ key: RawSpan, in table: [UInt8]?, _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        try checkUse()
        let (number, hash) = try engine.look(at: key, in: table, for: &state.conditions)
        switch key.withByteView({ state.writes.update(of: $0, in: table) }) {
        case .set(let value): try value.withStoreBytes(body)
        case .remove: return
        case .keep: try readStored(key, hash, number, body)
        }
    }

    private func readStored(
        _ key: RawSpan, _ hash: KeyHash, _ number: Int,
        _ body: (RawSpan) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let table = tableState(number) else {
            return state.conditions.add(key, hash, nil, in: number)
        }
        var isOfBody = false
        do throws(StoreError) {
            let frame = engine.gate.callbacks.enter(.reader)
            let isThere: Void? = try key.withByteView { bytes throws(StoreError) in
                try records.lend(table.key(bytes), hash, in: frame) { found throws(StoreError) in
                    state.conditions.add(key, hash, found.sequence, in: number)
                    isOfBody = true
                    try found.value.withSpan(body)
                    isOfBody = false
                }
            }
            if isThere == nil { state.conditions.add(key, hash, nil, in: number) }
        } catch {
            // What body failed of may be that its bytes were lost.
            if !isOfBody || error.code == .media { state.failure = error }
            throw error
        }
    }

    /// A table of the conditions as it was when it was first looked at.
    private func tableState(_ number: Int) -> TableState? {
        number == 0 ? records.unnamedTable : state.conditions.tables[number - 1].state
    }

    func read(
        _ range: KeyRange, of table: [UInt8]?, reverse: Bool, limit: Int?,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try checkUse()
        guard let limit = try store.checked(limit) else { return }
        let seen =
            table.map { name in
                state.conditions.number(of: name) { records.tables.named(name) }
            } ?? 0
        let own = state.writes.entries(of: table, in: range, reverse: reverse)
        var merge = ScanMerge(own, reverse: reverse, limit: limit)
        let changes = engine.index.changes
        var number = SequenceNumber.zero
        var problem: StoreError?
        do throws(StoreError) {
            // Of what is stored, some may be hidden by what is going to be written.
            let limit = limit.addingReportingOverflow(own.count)
            try engine.withView(of: range, of: { tableState(seen) }, reverse: reverse) {
                view throws(StoreError) in
                number = view.snapshot.number
                try engine.scan(view, limit: limit.overflow ? .max : limit.partialValue) {
                    key, value throws(StoreError) in
                    try merge.show(key, value, body)
                }
            }
            try merge.showRest(body)
        } catch {
            if !merge.isOfBody || error.code == .media { state.failure = error }
            problem = error
        }
        state.conditions.add(
            Conditions.OfRange(
                range: merge.end.map { range.part(through: $0, reverse: reverse) } ?? range,
                table: seen, number: number, count: merge.storedCount, changes: changes))
        if let problem { throw problem }
    }
}
