import PmemKV

/// A medium where every store is durable at once and can be taken back: what recovery writes on
/// one crash state is undone before the next.
package final class ScratchMedium: PersistentMedium, @unchecked Sendable {
    private let image: PoolImage
    private var undo: [(word: Int, value: UInt64)] = []

    package let size: Int

    /// - Parameter size: bytes of the image that are the medium's; nil for all.
    package init(_ image: PoolImage, size: Int? = nil) {
        self.image = image
        self.size = size ?? image.size
    }

    package var readBase: UnsafeRawPointer? { image.view }
    package var drainCoversAllThreads: Bool { false }
    package var faultCount: Int { 0 }
    /// Words changed since the last ``rollBack(to:)``.
    package var changes: Int { undo.count }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        buffer.copyMemory(
            from: UnsafeRawBufferPointer(start: image.view + offset, count: buffer.count))
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        precondition(offset % 8 == 0 && source.count % 8 == 0 && offset + source.count <= size)
        for number in 0..<(source.count / 8) {
            let value = source.loadUnaligned(fromByteOffset: number * 8, as: UInt64.self)
            set(offset / 8 + number, value)
        }
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        copy(source, to: offset, site: site)
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) {}

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        precondition(offset % 8 == 0 && offset + 8 <= size)
        set(offset / 8, word)
    }

    package func drain(site: PersistSite) throws(StoreError) {}
    package func prepare(at offset: Int, count: Int) {}
    package func close() {}

    @inline(__always)
    private func set(_ word: Int, _ value: UInt64) {
        let old = image.words[word]
        if old == value { return }
        undo.append((word, old))
        image.words[word] = value
    }

    /// Makes all changes so far last: they cannot be taken back.
    package func keep() { undo.removeAll(keepingCapacity: true) }

    /// Takes back all changes but the first `count`.
    package func rollBack(to count: Int = 0) {
        while undo.count > count {
            let (word, value) = undo.removeLast()
            image.words[word] = value
        }
    }
}
