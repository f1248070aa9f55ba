import CPmem

/// Comparing byte strings the one way there is: bytewise, a beginning before what goes on.
extension UnsafeRawBufferPointer {
    @inline(__always)
    func hasSameBytes(as other: UnsafeRawBufferPointer) -> Bool {
        unsafe count == other.count && cpmem_same_bytes(baseAddress, other.baseAddress, count)
    }

    /// Negative, zero or positive, as these bytes order against the other.
    @inline(__always)
    func order(against other: [UInt8]) -> Int {
        unsafe other.withUnsafeBytes {
            Int(unsafe cpmem_compare(baseAddress, count, $0.baseAddress, $0.count))
        }
    }
}
