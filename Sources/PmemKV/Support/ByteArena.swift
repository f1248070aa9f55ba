/// Pieces of bytes, copied one behind the other.
struct ByteArena: Sendable {
    /// Longer than what was appended, so that most pieces are added by a copy alone.
    private(set) var bytes: [UInt8] = []
    private var used = 0

    /// Adds a piece. Returns where it begins.
    mutating func append(_ source: RawSpan) -> Int {
        let start = used
        let end = start + source.byteCount
        if end > bytes.count { makeRoom(for: end) }
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe source.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<end])
                    .copyMemory(from: source)
            }
        }
        used = end
        return start
    }

    @inline(never)
    private mutating func makeRoom(for end: Int) {
        let old = bytes
        let used = used
        bytes = unsafe [UInt8](unsafeUninitializedCapacity: max(end, 256) + used) { memory, count in
            unsafe memory.initialize(repeating: 0)
            old.withByteView { old in
                unsafe UnsafeMutableRawBufferPointer(memory).copyMemory(
                    from: old.prefix(used).buffer)
            }
            count = memory.count
        }
    }

    /// Forgets all pieces and keeps the memory.
    mutating func removeAll() { used = 0 }

    /// Whether its memory is no burden to whoever keeps it.
    var isSmall: Bool { bytes.count <= 16 << 10 }
}
