import CPmem

/// Bytes that somebody else keeps for as long as the view is used: a caller's key or value for one
/// call, a record inside an epoch. The engine passes keys and values as views and never owns them.
///
/// There is one way to compare byte strings: bytewise, a beginning before what goes on.
@safe
package struct ByteView {
    private let base: UnsafeRawPointer?
    package let count: Int

    @unsafe @inline(__always)
    package init(_ bytes: UnsafeRawBufferPointer) {
        unsafe base = bytes.baseAddress
        count = bytes.count
    }

    @unsafe @inline(__always)
    init(base: UnsafeRawPointer?, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    static var empty: ByteView { unsafe ByteView(base: nil, count: 0) }

    var isEmpty: Bool { count == 0 }

    /// The raw bytes, for C and for the medium.
    @unsafe @inline(__always)
    package var buffer: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base, count: count)
    }

    @unsafe @inline(__always)
    var baseAddress: UnsafeRawPointer? { unsafe base }

    package var array: [UInt8] { unsafe [UInt8](buffer) }

    /// The bytes from an offset on.
    @inline(__always)
    func dropFirst(_ offset: Int) -> ByteView {
        assert(offset >= 0 && offset <= count)
        return unsafe ByteView(base: base.map { unsafe $0 + offset }, count: count - offset)
    }

    @inline(__always)
    func prefix(_ length: Int) -> ByteView {
        assert(length >= 0 && length <= count)
        return unsafe ByteView(base: base, count: length)
    }

    @inline(__always)
    func slice(_ range: Range<Int>) -> ByteView {
        dropFirst(range.lowerBound).prefix(range.count)
    }

    /// The value whose bytes stand at an offset, aligned or not.
    @inline(__always)
    func load<T: BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count)
        return unsafe buffer.loadUnaligned(fromByteOffset: offset, as: type)
    }

    /// Gives the bytes to body as a span.
    @inline(__always)
    func withSpan<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe buffer.bytes)
    }

    /// Gives these bytes and other ones to body as spans.
    @inline(__always)
    func withSpans<R, E: Error>(
        and other: ByteView, _ body: (RawSpan, RawSpan) throws(E) -> R
    ) throws(E) -> R {
        try unsafe body(buffer.bytes, other.buffer.bytes)
    }

    @inline(__always)
    func hasSameBytes(as other: ByteView) -> Bool {
        unsafe count == other.count && cpmem_same_bytes(base, other.base, count)
    }

    /// Negative, zero or positive, as these bytes order against the other ones.
    @inline(__always)
    func order(against other: ByteView) -> Int {
        Int(unsafe cpmem_compare(base, count, other.base, other.count))
    }

    @inline(__always)
    func order(against other: [UInt8]) -> Int {
        other.withByteView { order(against: $0) }
    }

    /// The first eight bytes, zeroes behind the end, as a number that orders like them.
    @inline(__always)
    var sortPrefix: UInt64 { unsafe cpmem_sort_prefix(base, count) }

    /// Bytes that both begin with.
    func commonPrefix(with other: ByteView) -> Int {
        unsafe cpmem_common_prefix(base, count, other.base, other.count)
    }

    func commonPrefix(with other: [UInt8]) -> Int {
        other.withByteView { commonPrefix(with: $0) }
    }

    /// CRC32C of the bytes.
    @inline(__always)
    var checksum: UInt32 { unsafe cpmem_crc32c(base, count) }
}

extension RawSpan {
    /// Gives the bytes to body as a view, for that call only.
    @inline(__always)
    package func withByteView<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try unsafe withUnsafeBytes { bytes throws(E) in try unsafe body(ByteView(bytes)) }
    }
}

extension [UInt8] {
    /// Gives the bytes to body as a view, for that call only.
    @inline(__always)
    package func withByteView<R, E: Error>(_ body: (ByteView) throws(E) -> R) throws(E) -> R {
        try unsafe span.bytes.withByteView(body)
    }
}
