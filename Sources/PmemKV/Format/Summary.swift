import CPmem

/// Writes the summary of an extent that is being sealed.
enum SummaryWriter {
    static func write(
        _ entries: UnsafeBufferPointer<cpmem_summary_entry>, salt: UInt64, medium: Medium,
        offset: Int
    ) {
        let size = LogHead.summaryUnits(entries.count) * 64
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        var header = cpmem_summary()
        header.magic = CPMEM_SUMMARY_MAGIC
        header.count = UInt32(entries.count)
        header.minimum_sequence = entries.reduce(.max) { min($0, $1.sequence) }
        header.maximum_sequence = entries.reduce(0) { max($0, $1.sequence) }
        let body = MemoryLayout<cpmem_summary>.size
        buffer.storeBytes(of: header, as: cpmem_summary.self)
        UnsafeMutableRawBufferPointer(rebasing: buffer[body...])
            .copyMemory(from: UnsafeRawBufferPointer(entries))
        let checksum = SummaryView.checksum(
            UnsafeRawBufferPointer(buffer), count: entries.count, salt: salt)
        buffer.storeBytes(of: checksum, toByteOffset: 8, as: UInt32.self)
        medium.copy(UnsafeRawBufferPointer(buffer), to: offset, site: .summary)
    }
}

/// A summary that lies on the medium, checked.
struct SummaryView {
    let entries: UnsafeBufferPointer<cpmem_summary_entry>

    /// The summary in these bytes; nil when it is not a whole one of this life, or says what no
    /// extent of endUnits could hold.
    init?(_ bytes: UnsafeRawBufferPointer, salt: UInt64, endUnits: Int) {
        let size = MemoryLayout<cpmem_summary>.size
        guard bytes.count >= size else { return nil }
        let header = bytes.loadUnaligned(as: cpmem_summary.self)
        let count = Int(header.count)
        guard header.magic == CPMEM_SUMMARY_MAGIC,
            LogHead.summaryUnits(count) * 64 <= bytes.count,
            Self.checksum(bytes, count: count, salt: salt) == header.checksum
        else { return nil }
        entries = UnsafeBufferPointer(
            start: (bytes.baseAddress! + size).assumingMemoryBound(to: cpmem_summary_entry.self),
            count: count)
        let arePossible = entries.allSatisfy {
            $0.units > 0 && Int($0.offset_units) + $0.units <= endUnits
                && $0.sequence < RecordLayout.sequenceEnd
        }
        guard arePossible else { return nil }
    }

    /// CRC32C over salt, the header without its checksum, and the entries.
    static func checksum(_ bytes: UnsafeRawBufferPointer, count: Int, salt: UInt64) -> UInt32 {
        let base = bytes.baseAddress!
        var salt = salt
        var state = cpmem_crc32c_update(~0, &salt, 8)
        state = cpmem_crc32c_update(state, base, 8)
        state = cpmem_crc32c_update(
            state, base + 12,
            MemoryLayout<cpmem_summary>.size - 12 + count * MemoryLayout<cpmem_summary_entry>.size)
        return ~state
    }
}

extension cpmem_summary_entry {
    var hash: KeyHash { KeyHash(rawValue: key_hash) }
    var units: Int { Int(kind_and_units & 0x7FFF_FFFF) }
    var isTombstone: Bool { kind_and_units >> 31 != 0 }
}
