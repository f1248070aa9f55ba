import CPmem

/// The bytes of a key, wherever they are, as the ordered index compares them.
///
/// A handle: whoever made it keeps the bytes.
@safe
struct KeyBytes {
    let raw: UnsafeRawBufferPointer

    @unsafe @inline(__always)
    init(_ raw: UnsafeRawBufferPointer) { unsafe self.raw = raw }

    @inline(__always)
    var count: Int { unsafe raw.count }

    @inline(__always)
    func dropFirst(_ skipped: Int) -> KeyBytes {
        unsafe KeyBytes(UnsafeRawBufferPointer(rebasing: raw[skipped...]))
    }

    func prefix(_ length: Int) -> KeyBytes {
        unsafe KeyBytes(UnsafeRawBufferPointer(rebasing: raw[..<length]))
    }

    /// The first eight bytes, zeroes behind the end, as a number that orders like them.
    @inline(__always)
    var sortPrefix: UInt64 { unsafe cpmem_sort_prefix(raw.baseAddress, raw.count) }

    /// Negative, zero or positive, as these bytes order against the other.
    @inline(__always)
    func order(against other: KeyBytes) -> Int {
        Int(
            unsafe cpmem_compare(
                raw.baseAddress, raw.count, other.raw.baseAddress, other.raw.count))
    }

    /// Bytes that both begin with.
    func commonPrefix(with other: KeyBytes) -> Int {
        unsafe cpmem_common_prefix(
            raw.baseAddress, raw.count, other.raw.baseAddress, other.raw.count)
    }
}

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
    init(copying bytes: KeyBytes) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 8)
        unsafe memory.copyMemory(from: bytes.raw.baseAddress!, byteCount: bytes.count)
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
    var bytes: KeyBytes {
        unsafe KeyBytes(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// Starts to load the bytes. Harmless even for a key that is no longer one.
    @inline(__always)
    func prefetch() {
        unsafe cpmem_prefetch(UnsafeRawPointer(bitPattern: UInt(rawValue & Self.addressMask)))
    }

    /// DRAM that a key takes in the C library's allocator: 8 bytes more, rounded up to 16.
    var memoryBytes: Int { max(32, (count + 8 + 15) & ~15) }
}
