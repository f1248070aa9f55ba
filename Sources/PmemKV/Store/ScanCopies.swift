/// Short records of a page, copied one after the other inside one epoch, so that the bodies that
/// they are shown to hold nothing; and the key that was shown last, since a body may change all
/// that it was read from.
@safe
struct ScanCopies: ~Copyable {
    /// Records that are copied at a time.
    static let most = 8
    /// Bytes of key and value of a record that is copied: longer ones are shown where they lie.
    static let longest = 1024

    private let memory: UnsafeMutableRawPointer
    private var lengths = InlineArray<8, (key: UInt32, value: UInt32)>(repeating: (0, 0))
    private(set) var count = 0
    /// Bytes of the key that was shown last, before the first none. They stand behind the copies,
    /// or in ``longLast`` where they are too many.
    private var lastLength = 0
    private var longLast: [UInt8] = []

    init() {
        unsafe memory = .allocate(byteCount: (Self.most + 1) * Self.longest, alignment: 16)
    }

    deinit { unsafe memory.deallocate() }

    @inline(__always)
    mutating func removeAll() { count = 0 }

    /// Copies key and value of a record, which are not longer than ``longest``.
    @inline(__always)
    mutating func append(_ record: RecordView) {
        assert(count < Self.most && record.keyAndValue.count <= Self.longest)
        let bytes = record.keyAndValue
        lengths[count] = (
            UInt32(truncatingIfNeeded: record.keyLength),
            UInt32(truncatingIfNeeded: record.valueLength)
        )
        unsafe (memory + count &* Self.longest).copyMemory(
            from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
        count &+= 1
    }

    @inline(__always)
    func key(_ number: Int) -> ByteView {
        assert(number < count)
        return unsafe ByteView(
            base: memory + number &* Self.longest,
            count: Int(truncatingIfNeeded: lengths[number].key))
    }

    @inline(__always)
    func value(_ number: Int) -> ByteView {
        assert(number < count)
        let (key, value) = lengths[number]
        return unsafe ByteView(
            base: memory + number &* Self.longest + Int(truncatingIfNeeded: key),
            count: Int(truncatingIfNeeded: value))
    }

    // MARK: The last key

    private var shortLast: UnsafeMutableRawPointer { unsafe memory + Self.most * Self.longest }

    /// The key that was shown last; nil before the first.
    var lastKey: [UInt8]? {
        guard lastLength > 0 else { return nil }
        guard lastLength <= Self.longest else { return longLast }
        return unsafe ByteView(base: shortLast, count: lastLength).array
    }

    @inline(__always)
    mutating func noteLast(_ key: ByteView) {
        lastLength = key.count
        guard key.count <= Self.longest else { return longLast = key.array }
        unsafe shortLast.copyMemory(
            from: key.baseAddress.unsafelyUnwrapped, byteCount: key.count)
    }

    /// The one of these copies was shown last.
    @inline(__always)
    mutating func noteLast(_ number: Int) { noteLast(key(number)) }
}
