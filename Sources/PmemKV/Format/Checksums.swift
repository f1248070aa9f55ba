import CPmem

/// CRC32C of bytes that come in parts.
struct RunningChecksum {
    private var state = ~UInt32(0)

    /// The checksum of all parts so far.
    var value: UInt32 { ~state }

    mutating func update(_ bytes: ByteView) {
        state = unsafe cpmem_crc32c_update(state, bytes.baseAddress, bytes.count)
    }
}

/// The checksum of what is longer than a record: of this life alone, through the salt.
enum SaltedChecksum {
    /// CRC32C over a salt and the bytes of all parts, but for the four of the checksum's own field
    /// in the first one.
    static func of(_ parts: [ByteView], _ salt: UInt64, leavingOutAt offset: Int) -> UInt32 {
        let first = parts[0]
        let rest = [first.prefix(offset), first.dropFirst(offset + MemoryLayout<UInt32>.size)]
        var checksum = RunningChecksum()
        unsafe withUnsafeBytes(of: salt) { unsafe checksum.update(ByteView($0)) }
        for part in rest + parts.dropFirst() { checksum.update(part) }
        return checksum.value
    }
}
