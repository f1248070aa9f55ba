/// Values that prove themselves.
///
/// A value begins with its stamp (key index and version, 8 bytes) and continues with incompressible
/// filler that depends on its slot in a small pool, so a later pass can tell for every key whether
/// the right version came back whole. Writing one costs a store and, in the engine, the copy of
/// bytes that lie in the cache, as in db_bench.
/// A pool belongs to one thread; the filler is the same in all of them.
struct ValueSource {
    let sizes: SizeDistribution
    private let pool: UnsafeMutableRawBufferPointer
    private let stride: Int
    private let slots: Int

    static let poolBytes = 256 << 10

    init(sizes: SizeDistribution) {
        self.sizes = sizes
        stride = max(64, (sizes.largest + 63) & ~63)
        slots = max(1, Self.poolBytes / stride)
        pool = .allocate(byteCount: stride * slots, alignment: 64)
        for word in 0..<pool.count / 8 {
            pool.storeBytes(of: mix(UInt64(word)), toByteOffset: word * 8, as: UInt64.self)
        }
    }

    func deallocate() { pool.deallocate() }

    @inline(__always)
    private static func stamp(_ index: Int, _ version: UInt32) -> UInt64 {
        UInt64(index) << 24 | UInt64(version & 0xff_ffff)
    }

    /// The value of a key in a version; valid until the next call.
    @inline(__always)
    func value(_ index: Int, version: UInt32) -> UnsafeRawBufferPointer {
        let stamp = Self.stamp(index, version)
        let hash = mix(stamp)
        let size = sizes.size(hash)
        let slot = pool.baseAddress! + Int(truncatingIfNeeded: hash >> 32) % slots * stride
        slot.storeBytes(of: stamp, as: UInt64.self)
        return UnsafeRawBufferPointer(start: slot, count: size)
    }

    /// Whether `bytes` is exactly the value of this key in this version.
    func matches(_ bytes: UnsafeRawBufferPointer, _ index: Int, version: UInt32) -> Bool {
        let expected = value(index, version: version)
        return expected.count == bytes.count && expected.elementsEqual(bytes)
    }
}
