import CPmem

/// The bytes of a pool with segments of 1 KiB, read by the positions of docs/format.md, version 1.
/// Of the library only the checksums are used.
struct PoolBytes {
    struct Life {
        let segment: Int
        let word: UInt64
        let seal: UInt64
        let tail: UInt64
        var state: UInt8 { UInt8(word >> 14 & 3) }
        var span: Int { Int(word >> 16 & 0xFFFF) }
        var generation: UInt32 { UInt32(word >> 32) }

        func isWhole(pool: UInt64) -> Bool {
            word == cpmem_life_word(pool, UInt32(segment), generation, UInt16(span), state)
        }
    }

    struct Record {
        let key: [UInt8]
        let kind: UInt64
        let valueLength: Int
        let batchRemaining: UInt64
        /// Where the next record stands.
        let end: Int
    }

    let all: [UInt8]

    init(_ bytes: [UInt8]) { all = bytes }

    subscript(offset: Int, count: Int) -> [UInt8] { Array(all[offset..<(offset + count)]) }

    func word(_ offset: Int) -> UInt64 {
        self[offset, 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    var lives: [Life] {
        (0..<Int(word(56))).map {
            let line = 8192 + 64 * $0
            return Life(
                segment: $0, word: word(line), seal: word(line + 8), tail: word(line + 16))
        }
    }

    private func salt(_ life: Life) -> UInt64 {
        cpmem_salt(word(32), UInt32(life.segment), life.generation)
    }

    func isSealed(_ life: Life) -> Bool {
        life.seal == cpmem_seal_word(salt(life), UInt32(life.seal >> 32))
    }

    func hasTail(_ life: Life) -> Bool {
        let salt = salt(life) ^ 0x5441_494C_5441_494C
        return life.tail == cpmem_seal_word(salt, UInt32(life.tail >> 32))
    }

    /// The records at the beginning of an extent, up to the first that does not verify.
    func records(_ life: Life) -> [Record] {
        var records: [Record] = []
        let start = 12288 + 1024 * life.segment
        var offset = start
        while offset + 64 <= start + 1024 * life.span {
            let shape = word(offset + 24)
            let (key, value) = (Int(shape >> 40 & 0xFFFF) + 1, Int(shape & 0xFF_FFFF_FFFF))
            let end = offset + (32 + key + value + 63) / 64 * 64
            guard end <= start + 1024 * life.span,
                isRecord(offset, key: key, value: value, salt(life))
            else { break }
            records.append(
                Record(
                    key: self[offset + 32, key], kind: shape >> 56, valueLength: value,
                    batchRemaining: word(offset + 16) >> 32, end: end))
            offset = end
        }
        return records
    }

    /// Extents that are not sealed and end with a record of a batch of which more follow.
    var endsInsideBatches: Int {
        lives.count { life in
            life.state == 2 && !isSealed(life) && (records(life).last?.batchRemaining ?? 0) > 0
        }
    }

    private func isRecord(_ offset: Int, key: Int, value: Int, _ salt: UInt64) -> Bool {
        let covered = [salt, UInt64(offset / 64)]
        var state = cpmem_crc32c_update(~0, covered, 16)
        state = cpmem_crc32c_update(state, self[offset + 4, 28 + key], 28 + key)
        let valueChecksum = cpmem_crc32c(self[offset + 32 + key, value], value)
        return word(offset) == UInt64(~state) | UInt64(valueChecksum) << 32
    }
}
