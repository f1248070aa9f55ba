import CPmem

/// Bytes of one record on their way to the log.
struct RecordSource {
    let tombstone: Bool
    let hash: KeyHash
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer

    @inline(__always)
    var units: Int { RecordLayout.units(keyLength: key.count, valueLength: value.count) }
}

extension Engine {
    /// Writes one record at the head's position and moves the position behind it.
    ///
    /// The record is not durable before the next drain, and not visible before the index says so.
    /// All lines are written whole: zeroes fill the last one, so that no line has to be read in.
    @inline(__always)
    func append(
        _ source: RecordSource, sequence: UInt64, batchRemaining: UInt32,
        to head: LogHeadPointer, site: PersistSite, deferred: Bool
    ) -> Location {
        let location = head.location
        let units = source.units
        var draft = RecordDraft(
            tombstone: source.tombstone, key: source.key, value: source.value,
            sequence: sequence, batchRemaining: batchRemaining)
        draft.seal(
            key: source.key, location: location, salt: head.pointee.salt,
            durableUnits: UInt32(truncatingIfNeeded: head.pointee.durableUnits))
        head.pointee.note(
            hash: source.hash, sequence: sequence, units: units, tombstone: source.tombstone)
        if units * 64 <= LogHead.stagingBytes {
            let staging = head.pointee.staging
            staging.storeBytes(of: draft.header, as: cpmem_record.self)
            var end = RecordLayout.headerSize
            copyBytes(source.key, to: staging + end)
            end &+= source.key.count
            copyBytes(source.value, to: staging + end)
            end &+= source.value.count
            cpmem_zero(staging + end, units &* 64 &- end)
            let bytes = UnsafeRawBufferPointer(start: staging, count: units &* 64)
            if deferred {
                medium.copyDeferred(bytes, to: location.offset, site: .relaxedRecord)
            } else {
                medium.copy(bytes, to: location.offset, site: site)
            }
        } else {
            appendLong(draft, source, at: location.offset, head, site: site, deferred: deferred)
        }
        segments.recordAppended(head.pointee.segment, units: units, tombstone: source.tombstone)
        head.pointee.position &+= units
        return location
    }

    @inline(__always)
    private func copyBytes(_ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
        if bytes.count > 0 {
            target.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
        }
    }

    /// A record longer than the staging buffer: its edges go through the buffer, whole lines of
    /// the value straight from the caller's memory.
    @inline(never)
    private func appendLong(
        _ draft: RecordDraft, _ source: RecordSource, at offset: Int, _ head: LogHeadPointer,
        site: PersistSite, deferred: Bool
    ) {
        var writer = LineWriter(
            medium: medium, staging: head.pointee.staging, offset: offset,
            site: deferred ? .relaxedRecord : site, deferred: deferred)
        withUnsafeBytes(of: draft.header) { writer.write($0) }
        writer.write(source.key)
        writer.write(source.value)
        writer.finish()
    }

    /// Makes earlier relaxed records of this head ready for the next drain, so that nothing
    /// later is acknowledged before them. They count as relaxed until that drain has returned:
    /// others ask for them before they reuse space.
    @inline(__always)
    func flushRelaxed(_ head: LogHeadPointer) {
        guard head.pointee.relaxedFrom != .max else { return }
        flushRelaxedRange(head)
    }

    @inline(never)
    private func flushRelaxedRange(_ head: LogHeadPointer) {
        let from = head.pointee.relaxedFrom
        let start = (Int(head.pointee.firstLocation) + from) * 64
        medium.flush(
            at: start, count: (head.pointee.position - from) * 64, site: .relaxedFlush)
    }
}

/// Writes a stream of bytes to the medium in whole lines.
private struct LineWriter {
    let medium: Medium
    let staging: UnsafeMutableRawPointer
    var offset: Int
    let site: PersistSite
    let deferred: Bool
    var staged = 0

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if staged & 63 == 0, rest.count >= LogHead.stagingBytes {
                flushStaging()
                let lines = rest.count & ~63
                emit(UnsafeRawBufferPointer(rebasing: rest.prefix(lines)))
                rest = rest.dropFirst(lines)
                continue
            }
            // Up to the next line when whole lines can follow, else as much as fits.
            let room = LogHead.stagingBytes - staged
            let toLine = 64 - staged & 63
            let count = min(rest.count, rest.count >= LogHead.stagingBytes ? toLine : room)
            (staging + staged).copyMemory(
                from: rest.base.baseAddress! + rest.startIndex,
                byteCount: count)
            staged += count
            rest = rest.dropFirst(count)
            if staged == LogHead.stagingBytes { flushStaging() }
        }
    }

    mutating func finish() {
        let whole = (staged + 63) & ~63
        cpmem_zero(staging + staged, whole - staged)
        staged = whole
        flushStaging()
    }

    private mutating func flushStaging() {
        guard staged > 0 else { return }
        emit(UnsafeRawBufferPointer(start: staging, count: staged))
        staged = 0
    }

    private mutating func emit(_ bytes: UnsafeRawBufferPointer) {
        if deferred {
            medium.copyDeferred(bytes, to: offset, site: site)
        } else {
            medium.copy(bytes, to: offset, site: site)
        }
        offset += bytes.count
    }
}
