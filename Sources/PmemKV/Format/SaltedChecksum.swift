import CPmem

/// The checksum of what is longer than a record: of this life alone, through the salt.
struct SaltedChecksum {
    private var state: UInt32

    /// Of no bytes yet.
    init(salt: UInt64) {
        state = unsafe withUnsafeBytes(of: salt) {
            unsafe cpmem_crc32c_update(~0, $0.baseAddress, $0.count)
        }
    }

    /// Goes on with these bytes.
    mutating func add(_ bytes: ByteView) {
        state = unsafe cpmem_crc32c_update(state, bytes.baseAddress, bytes.count)
    }

    /// Goes on with these bytes, but for the four of the checksum's own field.
    mutating func add(_ bytes: ByteView, leavingOutAt offset: Int) {
        add(bytes.prefix(offset))
        add(bytes.dropFirst(offset + MemoryLayout<UInt32>.size))
    }

    /// CRC32C over the salt and what was added.
    var value: UInt32 { ~state }
}
