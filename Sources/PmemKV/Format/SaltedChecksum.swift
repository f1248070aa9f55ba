import CPmem

/// The checksum of what is longer than a record: of this life alone, through the salt.
enum SaltedChecksum {
    /// CRC32C over a salt and the bytes of all parts, but for the four of the checksum's own field
    /// in the first one.
    static func of(_ parts: [ByteView], _ salt: UInt64, leavingOutAt offset: Int) -> UInt32 {
        let first = parts[0]
        let rest = [first.prefix(offset), first.dropFirst(offset + MemoryLayout<UInt32>.size)]
        var state = unsafe withUnsafeBytes(of: salt) {
            unsafe cpmem_crc32c_update(~0, $0.baseAddress, $0.count)
        }
        for part in rest + parts.dropFirst() {
            state = unsafe cpmem_crc32c_update(state, part.baseAddress, part.count)
        }
        return ~state
    }
}
