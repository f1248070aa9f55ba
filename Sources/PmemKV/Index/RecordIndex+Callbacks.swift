/// Giving records to callers' code, which may take any time and use the store.
extension RecordIndex {
    /// What a body is given.
    struct Borrowed {
        let value: ByteView
        let sequence: SequenceNumber
    }

    /// Gives the record of a key to body, verified, or returns nil when there is no such key.
    ///
    /// The bytes stay as they are while body runs, though no epoch is held: a body delays the
    /// reuse of the extent it looks at, and of nothing else. Throws `media` when the medium
    /// failed under it.
    ///
    /// - Parameters:
    ///   - frame: what pins the extent, until the next record or its end.
    ///   - snapshot: what to read in; nil for what there is now.
    func lend<R>(
        _ key: TableKey, _ hash: KeyHash, seenBy snapshot: LivingSnapshot? = nil,
        in frame: borrowing CallbackFrame, _ body: (Borrowed) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        guard unsafe log.medium.base != nil else {
            return try lendCopy(key, hash, snapshot, body)
        }
        let found = try withRecord(key, hash, seenBy: snapshot) { record in
            frame.pin(log.segments.extent(of: record.location).rawValue)
            return record
        }
        guard let found else { return nil }
        return try showing(found) { () throws(StoreError) in
            try body(Borrowed(value: found.value, sequence: found.sequence))
        }
    }

    /// What body makes of a record that is pinned, unless that may have been lost while it ran: an
    /// error of body's may come of that.
    @inline(__always)
    func showing<R>(
        _ record: RecordView, _ body: () throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let result = Result { () throws(StoreError) in try body() }
        try checkStillThere(record)
        return try result.get()
    }

    /// The same where reading takes a system call and memory anyway.
    private func lendCopy<R>(
        _ key: TableKey, _ hash: KeyHash, _ snapshot: LivingSnapshot?,
        _ body: (Borrowed) throws(StoreError) -> R
    ) throws(StoreError) -> R? {
        let copy = try withRecord(key, hash, seenBy: snapshot) {
            ($0.value.array, $0.sequence)
        }
        guard let (value, sequence) = copy else { return nil }
        return try value.withByteView { value throws(StoreError) in
            try body(Borrowed(value: value, sequence: sequence))
        }
    }
}
