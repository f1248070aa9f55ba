/// Keys as bytes. Key number `index` of the data set is the even number 2 x index, big-endian, so
/// byte order is index order; a key that is looked up in vain is odd and lies between its
/// neighbours. What a key has beyond 8 bytes is filled with bytes that follow from its number.
struct KeyCodec: Sendable {
    let sizes: SizeDistribution

    init(sizes: SizeDistribution) throws {
        guard sizes.smallest >= 4, sizes.isFixed || sizes.smallest >= 8 else {
            throw BenchError("key size: at least 4 bytes, and at least 8 when it varies")
        }
        self.sizes = sizes
    }

    /// Writes the key and returns its size. `buffer` holds the largest key rounded up to 8 bytes.
    @inline(__always)
    func write(
        _ index: Int, missing: Bool = false, to buffer: UnsafeMutableRawPointer
    ) -> Int {
        let number = UInt64(index) << 1 | (missing ? 1 : 0)
        let filler = mix(number)
        let size = sizes.size(mix(UInt64(index)))
        if size < 8 {
            let shifted = (number << UInt64(64 - size * 8)).bigEndian
            withUnsafeBytes(of: shifted) {
                buffer.copyMemory(from: $0.baseAddress!, byteCount: size)
            }
            return size
        }
        buffer.storeBytes(of: number.bigEndian, as: UInt64.self)
        var offset = 8
        while offset < size {
            buffer.storeBytes(of: filler, toByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        return size
    }

    /// The index a key was made from; for the floors, which keep no index of their own.
    @inline(__always)
    static func index(of key: UnsafeRawBufferPointer) -> Int {
        guard key.count >= 8 else {
            var number: UInt64 = 0
            for byte in key { number = number << 8 | UInt64(byte) }
            return Int(number >> 1)
        }
        let number = key.loadUnaligned(as: UInt64.self).bigEndian
        return Int(number >> 1)
    }

    var bufferBytes: Int { (sizes.largest + 15) & ~7 }
}
