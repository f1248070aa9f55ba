import CPmem

/// Showing single entries: long records, keys that have to be looked for, and all where reading
/// takes a system call.
///
/// Invariant: whoever empties an extent takes the trust back from all that lives there before it
/// looks for pins. So a record that is trusted behind a pin, with a full fence between, stays.
extension OrderedScan {
    mutating func show(
        _ entry: OrderedPage.Entry, _ checksEnd: Bool, in frame: borrowing CallbackFrame,
        _ body: Body
    ) throws(StoreError) -> Outcome {
        try gate.checkReadable()
        switch entry.kind {
        case .record:
            return unsafe base == nil
                ? try showUnmapped(entry, body)
                : try showInPlace(entry, checksEnd, in: frame, body)
        case .key: return try showKey(of: entry, in: frame, body)
        case .unreadable: throw log.damage(at: entry.location)
        }
    }

    private mutating func showInPlace(
        _ entry: OrderedPage.Entry, _ checksEnd: Bool, in frame: borrowing CallbackFrame,
        _ body: Body
    ) throws(StoreError) -> Outcome {
        let extent = segments.extent(of: entry.location)
        if extent != pinned {
            frame.pin(extent.rawValue)
            pinned = extent
            cpmem_fence_seq_cst()
        }
        guard let bounds = newest(entry), let base = unsafe base else { return .stale }
        let record = unsafe RecordView(
            base: base + entry.location.offset, location: entry.location, in: bounds)
        if checksEnd, record.knowsKey, isBehindEnd(record.key) { return .ended }
        guard records.mayBeShown(record) else { throw log.damage(record) }
        copies.noteLast(record.key)
        let goOn = record.key.withSpan { key in record.value.withSpan { body(key, $0) } }
        try records.checkStillThere(record)
        return hasShown(goOn)
    }

    private mutating func showUnmapped(
        _ entry: OrderedPage.Entry, _ body: Body
    ) throws(StoreError) -> Outcome {
        typealias Copy = (key: [UInt8], value: [UInt8])
        let copy = try records.epochs.reading { () throws(StoreError) -> Copy? in
            try gate.checkReadable()
            guard newest(entry) != nil else { return nil }
            return try log.withRecord(at: entry.location) { record throws(StoreError) in
                if record.isSound { return (record.key.array, record.value.array) }
                guard record.knowsKey, isBehindEnd(record.key) else { throw log.damage(record) }
                return (record.key.array, [])
            }
        }
        guard let (key, value) = copy else { return .stale }
        return key.withByteView { key in
            if isBehindEnd(key) { return .ended }
            copies.noteLast(key)
            return hasShown(
                value.withByteView { value in
                    key.withSpan { key in value.withSpan { body(key, $0) } }
                })
        }
    }

    /// The key may be gone.
    private mutating func showKey(
        of entry: OrderedPage.Entry, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        let key = page.withKey(of: entry) { $0.array }
        // The record that is found takes the place of the one that is pinned.
        pinned = nil
        return try key.withByteView { key throws(StoreError) in
            if isBehindEnd(key) { return .ended }
            let goOn = try records.lend(key, records.hash(key), in: frame) { found in
                key.withSpan { key in found.value.withSpan { body(key, $0) } }
            }
            guard let goOn else { return .shown }
            copies.noteLast(key)
            return hasShown(goOn)
        }
    }

    private mutating func hasShown(_ goOn: Bool) -> Outcome {
        left &-= 1
        return goOn && left > 0 ? .shown : .ended
    }
}
