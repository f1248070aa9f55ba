/// What can be a key or a value: something with contiguous bytes.
///
/// Strings count as their UTF-8 bytes.
public protocol StoreBytes {
    /// Gives the bytes to body; the span is valid for that call only.
    func withStoreBytes<R, E: Error>(
        _ body: (RawSpan) throws(E) -> R
    ) throws(E) -> R
}

extension StoreBytes {
    /// A copy of the bytes.
    var array: [UInt8] { withStoreBytes { $0.withByteView { $0.array } } }
}

extension [UInt8]: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (RawSpan) throws(E) -> R
    ) throws(E) -> R {
        try body(unsafe span.bytes)
    }
}

extension ArraySlice<UInt8>: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (RawSpan) throws(E) -> R
    ) throws(E) -> R {
        try body(unsafe span.bytes)
    }
}

extension String: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (RawSpan) throws(E) -> R
    ) throws(E) -> R {
        try body(unsafe utf8Span.span.bytes)
    }
}

extension Substring: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (RawSpan) throws(E) -> R
    ) throws(E) -> R {
        try body(unsafe utf8Span.span.bytes)
    }
}

extension UnsafeRawBufferPointer: @unsafe StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (RawSpan) throws(E) -> R
    ) throws(E) -> R {
        try body(unsafe bytes)
    }
}
