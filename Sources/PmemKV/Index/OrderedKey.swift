import CPmem

/// A key in DRAM: its address in bits 0 to 47, its length less one in bits 48 to 63.
///
/// One word, so that a node moves and publishes it in one store. Whoever takes it out of the
/// index frees it, once no reader can hold it. An address of a process has at most 47 bits on
/// x86-64 and 48 on arm64, unless it asks mmap for more (Documentation/arch in the kernel).
@safe
struct OrderedKey: Equatable {
    let rawValue: UInt64

    private static let addressMask: UInt64 = 1 << 48 - 1

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// A copy of 1 to 65,536 bytes.
    init(copying bytes: ByteView) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 8)
        unsafe memory.copyMemory(
            from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
        rawValue = UInt64(UInt(bitPattern: memory)) | UInt64(bytes.count - 1) << 48
    }

    @inline(__always)
    var count: Int { Int(truncatingIfNeeded: rawValue >> 48) &+ 1 }

    /// What a copy was allocated as.
    @unsafe @inline(__always)
    var memory: UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(rawValue & Self.addressMask))
            .unsafelyUnwrapped
    }

    /// The key is one, and is not freed while the bytes are used.
    @inline(__always)
    var bytes: ByteView {
        unsafe ByteView(base: memory, count: count)
    }

    /// Starts to load the bytes. Harmless even for a key that is no longer one.
    @inline(__always)
    func prefetch() {
        unsafe cpmem_prefetch(UnsafeRawPointer(bitPattern: UInt(rawValue & Self.addressMask)))
    }

    /// DRAM that a key takes in the C library's allocator: 8 bytes more, rounded up to 16.
    var memoryBytes: Int { max(32, (count + 8 + 15) & ~15) }
}
