import CPmem
import PmemKV

/// Puts the checksums of a damaged pool right, so that damage gets past them: the hostile case,
/// in which everything verifies and nothing makes sense.
package enum ImageRepair {
    package static func repair(_ image: PoolImage, shape: PoolShape) {
        for copy in 0..<2 { repairSuperblock(image.bytes + copy * Int(CPMEM_SUPERBLOCK_STRIDE)) }
        let block = image.bytes.loadUnaligned(as: cpmem_superblock.self)
        let table = Int(CPMEM_TABLE_OFFSET)
        let data = image.size - shape.segments * shape.segmentSize
        for segment in 0..<shape.segments {
            let line = image.bytes + table + segment * Int(CPMEM_LINE)
            let life = line.loadUnaligned(as: UInt64.self)
            let generation = UInt32(truncatingIfNeeded: life >> 32)
            line.storeBytes(
                of: cpmem_life_word(
                    block.pool_id, UInt32(segment), generation,
                    UInt16(truncatingIfNeeded: life >> 16), UInt8(life >> 14 & 3)),
                as: UInt64.self)
            let salt = cpmem_salt(block.pool_id, UInt32(segment), generation)
            let seal = line.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            if seal != 0 {
                line.storeBytes(
                    of: cpmem_seal_word(salt, UInt32(truncatingIfNeeded: seal >> 32)),
                    toByteOffset: 8, as: UInt64.self)
            }
            let offset = data + segment * shape.segmentSize
            repairSegment(image, offset, shape.segmentSize, salt)
        }
    }

    /// Makes what stands in one copy of the superblock pass for one of this version.
    package static func repairSuperblock(_ bytes: UnsafeMutableRawPointer) {
        var block = bytes.loadUnaligned(as: cpmem_superblock.self)
        block.magic = CPMEM_MAGIC
        block.version = UInt32(CPMEM_FORMAT_VERSION)
        block.checksum = 0
        block.checksum = withUnsafeBytes(of: &block) { cpmem_crc32c($0.baseAddress, $0.count) }
        bytes.storeBytes(of: block, as: cpmem_superblock.self)
    }

    /// Records from the start as far as their lengths make sense, then a summary or checkpoint.
    private static func repairSegment(
        _ image: PoolImage, _ offset: Int, _ size: Int, _ salt: UInt64
    ) {
        var position = 0
        while position + 64 <= size {
            let base = image.bytes + offset + position
            let magic = base.loadUnaligned(as: UInt64.self)
            if magic == CPMEM_SUMMARY_MAGIC {
                let count = Int(base.loadUnaligned(as: cpmem_summary.self).count)
                let length =
                    MemoryLayout<cpmem_summary>.size
                    + count % 4096 * MemoryLayout<cpmem_summary_entry>.size
                if offset + position + length <= image.size { checksum(base, length, salt) }
                return
            }
            if magic == CPMEM_CHECKPOINT_MAGIC {
                let length = base.loadUnaligned(as: cpmem_checkpoint.self).length
                if length > 128, length <= UInt64(image.size - offset - position) {
                    checksum(base, Int(length), salt)
                }
                return
            }
            var header = base.loadUnaligned(as: cpmem_record.self)
            let keyLength = Int(cpmem_shape_key_length(header.shape))
            let valueLength = cpmem_shape_value_length(header.shape)
            let rest = image.size - offset - position - 32 - keyLength
            guard rest >= 0, valueLength <= UInt64(rest) else { return }
            header.value_checksum = cpmem_crc32c(base + 32 + keyLength, Int(valueLength))
            header.header_checksum = cpmem_header_checksum(
                &header, base + 32, UInt32(keyLength), salt, UInt64((offset + position) / 64))
            base.storeBytes(of: header, as: cpmem_record.self)
            position += (32 + keyLength + Int(valueLength) + 63) / 64 * 64
        }
    }

    /// The checksum at byte 8 over salt and everything else.
    private static func checksum(_ base: UnsafeMutableRawPointer, _ length: Int, _ salt: UInt64) {
        var salt = salt
        var state = cpmem_crc32c_update(~0, &salt, 8)
        state = cpmem_crc32c_update(state, base, 8)
        state = cpmem_crc32c_update(state, base + 12, length - 12)
        base.storeBytes(of: ~state, toByteOffset: 8, as: UInt32.self)
    }
}
