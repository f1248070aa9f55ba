/// Pieces of bytes, copied one behind the other.
struct ByteArena: Sendable {
    /// Longer than what was appended, so that most pieces are added by a copy alone.
    private(set) var bytes: [UInt8] = []
    private var used = 0

    /// Adds a piece. Returns where it begins.
    mutating func append(_ source: RawSpan) -> Int {
        let start = used
        let end = start + source.byteCount
        if end > bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: max(end, 256) - bytes.count + start))
        }
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe source.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<end])
                    .copyMemory(from: source)
            }
        }
        used = end
        return start
    }

    /// Forgets all pieces and keeps the memory.
    mutating func removeAll() { used = 0 }
}
