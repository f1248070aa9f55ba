/// The key that a scan showed last, copied: the body that saw it may change all that it was read
/// from.
@safe
struct KeyNote: ~Copyable {
    private var memory: UnsafeMutableRawPointer
    private var capacity = 256
    private var count = 0

    init() { unsafe memory = .allocate(byteCount: capacity, alignment: 8) }

    deinit { unsafe memory.deallocate() }

    /// The key; nil before the first.
    var key: [UInt8]? {
        count == 0 ? nil : unsafe ByteView(base: memory, count: count).array
    }

    @inline(__always)
    mutating func take(_ key: ByteView) {
        if key.count > capacity { grow(to: key.count) }
        count = key.count
        unsafe memory.copyMemory(
            from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
    }

    private mutating func grow(to count: Int) {
        unsafe memory.deallocate()
        capacity = count
        unsafe memory = .allocate(byteCount: count, alignment: 8)
    }
}
