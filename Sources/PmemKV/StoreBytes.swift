/// What can be a key or a value: something with contiguous bytes.
///
/// Strings count as their UTF-8 bytes.
public protocol StoreBytes {
    /// Gives the bytes to body; the pointer is valid for that call only.
    func withStoreBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R
}

extension [UInt8]: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try span.bytes.withUnsafeBytes { bytes throws(E) in try body(bytes) }
    }
}

extension ArraySlice<UInt8>: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try span.bytes.withUnsafeBytes { bytes throws(E) in try body(bytes) }
    }
}

extension String: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try utf8Span.span.bytes.withUnsafeBytes { bytes throws(E) in try body(bytes) }
    }
}

extension Substring: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try utf8Span.span.bytes.withUnsafeBytes { bytes throws(E) in try body(bytes) }
    }
}

extension UnsafeRawBufferPointer: StoreBytes {
    @inlinable @inline(__always)
    public func withStoreBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(self)
    }
}
