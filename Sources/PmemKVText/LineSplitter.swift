import Glibc

/// Cuts a stream that arrives in pieces into lines.
///
/// Invariant: `buffer[start...]` are the bytes that no line has been made of yet, and there is
/// no newline in `buffer[start..<searched]`, so that each byte is searched once however small
/// the pieces are.
package struct LineSplitter {
    private var buffer: [UInt8] = []
    private var start = 0
    private var searched = 0

    package init() {}

    /// Adds the next piece of the stream.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete line without its newline; nil when more bytes are needed.
    package mutating func next() -> ArraySlice<UInt8>? {
        let end: Int? = buffer.withUnsafeBytes { bytes in
            guard searched < bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + searched, 10, bytes.count - searched)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
        guard let end else {
            searched = buffer.count
            return nil
        }
        defer {
            start = end + 1
            searched = start
        }
        return buffer[start..<end]
    }

    /// The bytes behind the last newline, once the stream has ended; nil when there are none.
    package mutating func finish() -> ArraySlice<UInt8>? {
        defer {
            start = buffer.count
            searched = start
        }
        return start < buffer.count ? buffer[start...] : nil
    }
}
