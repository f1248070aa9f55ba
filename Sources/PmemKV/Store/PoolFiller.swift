import SystemPackage

/// Fills a new pool with the records of another one, in the order in which that has them. It takes
/// as many segments as ``FillPlan`` says, and no reserve is kept from it.
///
/// The pool is nobody else's yet: it is closed behind this, which makes all of it durable.
struct PoolFiller: ~Copyable {
    private let engine: Engine
    private let head: OwnedHead

    init(_ engine: Engine) {
        self.engine = engine
        head = engine.log.head(0).own()
    }

    /// Gives body the head to which the records of one extent are to be appended.
    ///
    /// - Parameter units: of all of them.
    func withHead(
        units: Units, entries: Int,
        _ body: (borrowing OwnedHead) throws(StoreError) -> Void
    ) throws(StoreError) {
        let segmentUnits = engine.geometry.segmentUnits
        guard let span = ExtentRoom.ownSpan(units: units, entries: entries, segmentUnits) else {
            return try body(head)
        }
        // Compaction, whose head this is, has nothing to do in a pool without garbage.
        let other = engine.log.compactionHead.own()
        other.begin(try take(span: span), of: engine.log.segments)
        try body(other)
        try engine.log.seal(other)
    }

    /// Copies one record. A record of the catalog begins anew: there is nothing older here.
    func append(
        _ key: TableKey, _ value: ByteView, to head: borrowing OwnedHead
    ) throws(StoreError) {
        if !key.table.isUnnamed { try engine.log.root.require(.tables) }
        guard key.table == .catalog else { return try write(key, value, to: head) }
        guard var record = TableRecord(value), let number = TableRecord.number(of: key.bytes) else {
            throw TableRecord.damage
        }
        record.floor = .zero
        engine.records.tables.adopt(record, as: number, stale: 0)
        try record.value.withByteView { value throws(StoreError) in
            try write(key, value, to: head)
        }
    }

    /// Makes a table of a number whose name is not known.
    func appendTable(_ number: TableNumber) throws(StoreError) {
        let record = TableRecord(
            isAlive: true, floor: .zero, name: Array("recovered \(number.rawValue)".utf8))
        try TableRecord.key(of: number).withByteView { key throws(StoreError) in
            try record.value.withByteView { value throws(StoreError) in
                try append(TableKey(key, in: TableRef(.catalog)), value, to: head)
            }
        }
    }

    private func write(
        _ key: TableKey, _ value: ByteView, to head: borrowing OwnedHead
    ) throws(StoreError) {
        let source = RecordSource(
            kind: .put, hash: engine.records.hash(key), key: key, value: value)
        if !head.fits(units: source.units, entries: 1) {
            try engine.log.seal(head)
            head.begin(try take(span: 1), of: engine.log.segments)
        }
        let lock = engine.index.lock(of: source.hash)
        lock.lock()
        defer { lock.unlock() }
        let sequence = try engine.log.sequences.take(1)
        let location = engine.log.append(source, sequence: sequence, to: head)
        try engine.publish(source, at: Engine.Written(location: location, sequence: sequence))
    }

    private func take(span: Int) throws(StoreError) -> SegmentNumber {
        guard let segment = try engine.space.take(span: span, reserve: 0, state: .log) else {
            throw StoreError(
                .outOfSpace, telling: "no room for the records in the new pool", cause: .noSpace)
        }
        return segment
    }
}

extension Engine {
    /// Refuses a pool that is to be filled and is too small for what the plan counted.
    ///
    /// - Parameter source: the size of the pool whose records they are: one of as many segments
    ///   takes them all, and a smaller one if it can be worked with afterwards.
    func checkRoom(for plan: FillPlan, from source: PoolSize) throws(StoreError) {
        let wanted = plan.segments + space.reserve(for: .records)
        let needed = max(Geometry.minimumSegments, min(wanted, source.segments))
        let size = log.segments.size
        guard size.segments < needed else { return }
        let least = Geometry.usualPoolSize(segments: needed, segmentSize: geometry.segmentSize)
        throw StoreError(
            .outOfSpace,
            telling: "\(size.bytes) bytes are too few for what is to be copied: it takes "
                + "\(least) bytes", cause: .noSpace)
    }
}
