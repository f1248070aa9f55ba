import CPmem

/// CRC32C of bytes that come in parts.
struct RunningChecksum {
    private var state = ~UInt32(0)

    /// Of no bytes yet.
    init() {}

    /// The checksum of what belongs to one life alone, through the salt before it.
    init(salt: UInt64) {
        unsafe withUnsafeBytes(of: salt) { unsafe add(ByteView($0)) }
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

    /// The checksum of what was added.
    var value: UInt32 { ~state }
}
