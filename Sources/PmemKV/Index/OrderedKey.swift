import CPmem

/// A key in DRAM: its address in bits 0 to 47, its length less one in bits 48 to 63.
///
/// One word, so that a node moves and publishes it in one store. Whoever takes it out of the
/// index frees it, once no reader can hold it. An address of a process has at most 47 bits on
/// x86-64 and 48 on arm64, unless it asks mmap for more (Documentation/arch in the kernel).
struct OrderedKey: Equatable {
    let rawValue: UInt64

    private static let addressMask: UInt64 = 1 << 48 - 1

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// A copy of 1 to 65,536 bytes.
    init(copying bytes: UnsafeRawBufferPointer) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 8)
        memory.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        rawValue = UInt64(UInt(bitPattern: memory)) | UInt64(bytes.count - 1) << 48
    }

    @inline(__always)
    var count: Int { Int(truncatingIfNeeded: rawValue >> 48) &+ 1 }

    @inline(__always)
    var address: UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(bitPattern: UInt(rawValue & Self.addressMask)).unsafelyUnwrapped
    }

    @inline(__always)
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: address, count: count) }

    /// Starts to load the bytes. Harmless even for a key that is no longer one.
    @inline(__always)
    func prefetch() {
        cpmem_prefetch(UnsafeRawPointer(bitPattern: UInt(rawValue & Self.addressMask)))
    }

    /// DRAM that a key takes in the C library's allocator: 8 bytes more, rounded up to 16.
    var memoryBytes: Int { max(32, (count + 8 + 15) & ~15) }

    /// Negative, zero or positive, as the bytes from `skip` on order against these.
    @inline(__always)
    func compare(from skip: Int, _ tail: UnsafeRawBufferPointer) -> Int {
        Int(cpmem_compare(address + skip, count &- skip, tail.baseAddress, tail.count))
    }
}
