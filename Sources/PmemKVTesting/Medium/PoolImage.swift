import Glibc

/// The bytes of a simulated pool, mapped twice: writable for the simulator, read-only for the
/// engine. A store that does not go through the medium kills the process at once.
package final class PoolImage: @unchecked Sendable {
    package let size: Int
    package let words: UnsafeMutablePointer<UInt64>
    package let view: UnsafeRawPointer

    package init(size: Int) {
        precondition(size > 0 && size % 8 == 0)
        self.size = size
        var path = Array("/dev/shm/pmemkv-image-XXXXXX".utf8CString)
        var descriptor = mkstemp(&path)
        if descriptor < 0 {
            path = Array("/tmp/pmemkv-image-XXXXXX".utf8CString)
            descriptor = mkstemp(&path)
        }
        precondition(descriptor >= 0, "no place for a simulated pool")
        unlink(path)
        precondition(ftruncate(descriptor, off_t(size)) == 0)
        let writable = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        let readable = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0)
        precondition(writable != MAP_FAILED && readable != MAP_FAILED)
        close(descriptor)
        words = writable!.bindMemory(to: UInt64.self, capacity: size / 8)
        view = UnsafeRawPointer(readable!)
    }

    deinit {
        munmap(words, size)
        munmap(UnsafeMutableRawPointer(mutating: view), size)
    }

    package var bytes: UnsafeMutableRawPointer { UnsafeMutableRawPointer(words) }

    package func clear() { memset(words, 0, size) }

    package func copy(from other: PoolImage) {
        precondition(other.size == size)
        memcpy(words, other.words, size)
    }

    package func copy(from other: [UInt8]) {
        precondition(other.count == size)
        other.withUnsafeBytes { _ = memcpy(words, $0.baseAddress!, size) }
    }

    package var snapshot: [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: words, count: size))
    }

    /// A hash of the whole content that follows single-word changes: the exclusive or of
    /// ``wordHash(_:_:)`` over all words. Zero words count as zero.
    package var contentHash: UInt64 {
        var hash: UInt64 = 0
        for word in 0..<(size / 8) where words[word] != 0 {
            hash ^= Self.wordHash(word, words[word])
        }
        return hash
    }

    @inline(__always)
    package static func wordHash(_ word: Int, _ value: UInt64) -> UInt64 {
        value == 0 ? 0 : mix(value &+ UInt64(word) &* 0x9E37_79B9_7F4A_7C15)
    }

    /// A finaliser with full avalanche (the one of splitmix64).
    @inline(__always)
    package static func mix(_ seed: UInt64) -> UInt64 {
        var value = seed &+ 0x9E37_79B9_7F4A_7C15
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
