import CPmem

/// Showing single entries: long records, keys that have to be looked for, and all where reading
/// takes a system call.
///
/// Invariant: whoever empties an extent takes the trust back from all that lives there before it
/// looks for pins. So a record that is trusted behind a pin, with a full fence between, stays.
extension OrderedScan {
    mutating func show(
        _ number: Int, _ checksEnd: Bool, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        try gate.checkReadable()
        guard page.isRecord(number) else { return try showKey(of: number, in: frame, body) }
        return unsafe base == nil
            ? try showUnmapped(number, in: frame, body)
            : try showInPlace(number, checksEnd, in: frame, body)
    }

    private mutating func showInPlace(
        _ number: Int, _ checksEnd: Bool, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        let location = page[number]
        let extent = segments.extent(of: location)
        if extent != pinned {
            frame.pin(extent.rawValue)
            pinned = extent
            cpmem_fence_seq_cst()
        }
        guard isNewest(number), let base = unsafe base,
            let record = unsafe record(at: location, base)
        else { return .stale }
        if checksEnd, record.knowsKey, isBehindEnd(record.key) { return .ended }
        guard records.mayBeShown(record) else { throw log.damage(record) }
        guard isSeen(record.sequence) else {
            return try show(record.key.array, in: frame, body)
        }
        copies.noteLast(record.key)
        let goOn = try records.showing(record) { () throws(StoreError) in
            try record.key.withSpans(and: record.value, body)
        }
        letGo(number, record.key)
        return hasShown(goOn)
    }

    private mutating func showUnmapped(
        _ number: Int, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        typealias Copy = (key: [UInt8], value: [UInt8]?)
        let copy = try records.epochs.reading { () throws(StoreError) -> Copy? in
            try gate.checkReadable()
            guard isNewest(number) else { return nil }
            return try log.withRecord(at: page[number]) { record throws(StoreError) in
                if record.isSound {
                    let isSeen = self.isSeen(record.sequence)
                    return (record.key.array, isSeen ? record.value.array : nil)
                }
                guard record.knowsKey, isBehindEnd(record.key) else { throw log.damage(record) }
                return (record.key.array, [])
            }
        }
        guard let (key, value) = copy else { return .stale }
        guard let value else { return try show(key, in: frame, body) }
        return try key.withByteView { key throws(StoreError) in
            if isBehindEnd(key) { return .ended }
            copies.noteLast(key)
            let goOn = try value.withByteView { value throws(StoreError) in
                try key.withSpans(and: value, body)
            }
            letGo(number, key)
            return hasShown(goOn)
        }
    }

    private mutating func showKey(
        of number: Int, in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        guard let key = page.withKey(of: number, { $0.array }) else {
            throw log.damage(at: page[number])
        }
        return try show(key, in: frame, body)
    }

    /// Shows what the snapshot sees of a key, if anything.
    private mutating func show(
        _ key: [UInt8], in frame: borrowing CallbackFrame, _ body: Body
    ) throws(StoreError) -> Outcome {
        // The record that is found takes the place of the one that is pinned.
        pinned = nil
        return try key.withByteView { key throws(StoreError) in
            if isBehindEnd(key) { return .ended }
            let goOn = try view.show(key, view.hash(key), in: frame, body)
            copies.noteLast(key)
            return goOn.map { hasShown($0) } ?? .shown
        }
    }

    private mutating func hasShown(_ goOn: Bool) -> Outcome {
        left &-= 1
        return goOn && left > 0 ? .shown : .ended
    }
}
