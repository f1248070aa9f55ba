import CPmem
import Glibc

/// The engine's handle on what a pool lives on.
///
/// Persistent memory that is mapped synchronously is reached here, in the open, so that the path
/// of a put compiles to direct calls; a dynamic call would cost several nanoseconds on a path of
/// two hundred. There, durable means: every line written back, then a fence. On a platform with
/// eADR the caches are inside the persistence domain and the fence alone remains. Every other
/// medium pays microseconds for durability and goes through its ``PersistentMedium``, whose rules
/// hold for both.
///
/// Invariant: the writable pointer never leaves this file; the engine sees ``base``, read-only.
@safe
package final class Medium: @unchecked Sendable {
    private enum Way {
        case direct(PoolMapping)
        case called(any PersistentMedium)
    }

    /// Usable bytes, as of now.
    var size: Int {
        switch way {
        case .direct(let mapping): mapping.length
        case .called(let medium): medium.size
        }
    }
    /// The read-only view, or nil when reads are system calls.
    @unsafe let base: UnsafeRawPointer?
    /// See ``PersistentMedium/drainCoversAllThreads``.
    let drainCoversAllThreads: Bool

    private let way: Way
    private let direct: UnsafeMutableRawPointer?
    private let flushes: Bool
    private let faultsAtOpen = cpmem_guard_total_faults()

    package init(_ medium: any PersistentMedium) {
        way = .called(medium)
        unsafe base = medium.readBase
        drainCoversAllThreads = medium.drainCoversAllThreads
        unsafe direct = nil
        flushes = true
    }

    /// Persistent memory, mapped synchronously.
    ///
    /// - Parameter flushes: false where the platform keeps its caches through a power loss.
    init(mapping: PoolMapping, flushes: Bool) {
        way = .direct(mapping)
        unsafe base = UnsafeRawPointer(mapping.address)
        drainCoversAllThreads = false
        unsafe direct = mapping.address
        self.flushes = flushes
    }

    /// The medium behind the protocol. Only where there is no direct way.
    private var called: any PersistentMedium {
        guard case .called(let medium) = way else {
            preconditionFailure("a mapping that is reached directly has no other way")
        }
        return medium
    }

    // MARK: Storing

    @inline(__always)
    func copy(_ source: ByteView, to offset: Int, site: PersistSite) {
        assert(offset >= 0 && offset + source.count <= size)
        guard let direct = unsafe direct else {
            return unsafe called.copy(source.buffer, to: offset, site: site)
        }
        if flushes {
            unsafe cpmem_copy_flush(direct + offset, source.baseAddress, source.count)
        } else {
            unsafe cpmem_copy_only(direct + offset, source.baseAddress, source.count)
        }
    }

    /// Bytes that a long copy is best made in: here it goes on while its caller works out what
    /// else there is to know of the next piece; elsewhere each copy has a price.
    var copyPiece: Int { unsafe direct != nil ? Self.directPiece : .max }

    /// About half of what a processor's store buffer holds, and whole rounds of a checksum, in
    /// lanes or in vectors.
    private static let directPiece = 3072

    func copyDeferred(_ source: ByteView, to offset: Int, site: PersistSite) {
        assert(offset >= 0 && offset + source.count <= size)
        guard let direct = unsafe direct else {
            return unsafe called.copyDeferred(source.buffer, to: offset, site: site)
        }
        unsafe cpmem_copy_only(direct + offset, source.baseAddress, source.count)
    }

    func flush(at offset: Int, count: Int, site: PersistSite) {
        assert(offset >= 0 && offset + count <= size)
        guard let direct = unsafe direct else {
            return called.flush(at: offset, count: count, site: site)
        }
        if flushes { unsafe cpmem_flush(direct + offset, count) }
    }

    func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        assert(offset & 7 == 0 && offset >= 0 && offset < size)
        guard let direct = unsafe direct else {
            return called.store(word, to: offset, site: site)
        }
        unsafe AtomicWord(direct + offset).storeRelease(word)
        if flushes { unsafe cpmem_flush(direct + offset, MemoryLayout<UInt64>.size) }
    }

    @inline(__always)
    func drain(site: PersistSite) throws(StoreError) {
        guard unsafe direct != nil else { return try called.drain(site: site) }
        cpmem_fence()
        // A store that hit a lost page went to an anonymous one: it must not be acknowledged.
        if cpmem_guard_total_faults() != faultsAtOpen { try checkMapping() }
    }

    /// See ``PersistentMedium/awaitDrain()``.
    func awaitDrain() { called.awaitDrain() }

    private func checkMapping() throws(StoreError) {
        if case .direct(let mapping) = way, mapping.faultCount > 0 { throw mapping.faultError }
    }

    /// Throws when a write that no drain follows has failed. Costs nothing on a mapping, where such
    /// a failure is a fault that every read looks for.
    @inline(__always)
    func checkWrites() throws(StoreError) {
        if let failure = writeFailure { throw failure }
    }

    @inline(__always)
    private var writeFailure: StoreError? {
        unsafe direct == nil ? called.writeFailure : nil
    }

    /// Whether ``prepare(at:count:)`` has something to do, for room that was never used at least.
    var firstUseIsSlow: Bool { unsafe direct != nil || called.firstUseIsSlow }
    /// Whether it has something to do for room that was used before this process, too.
    var firstTouchIsSlow: Bool { unsafe direct != nil }

    /// Makes the whole pages of a range ready; see ``PersistentMedium/prepare(at:count:)``.
    func prepare(at offset: Int, count: Int) {
        let start = (offset + Self.page - 1) & -Self.page
        let length = ((offset + count) & -Self.page) - start
        guard length > 0 else { return }
        guard let direct = unsafe direct else { return called.prepare(at: start, count: length) }
        _ = unsafe cpmem_populate_write(direct + start, length)
    }

    /// Bytes of a page of memory.
    static let page = Int(sysconf(Int32(_SC_PAGESIZE)))

    /// Faults under the view so far; what was read while this changed may be zeroes.
    var faultCount: Int {
        switch way {
        case .direct(let mapping): mapping.faultCount
        case .called(let medium): medium.faultCount
        }
    }

    /// Owner and mode of the file below; nil where there is none.
    var attributes: FileAttributes? {
        switch way {
        case .direct(let mapping): mapping.attributes
        case .called(let medium): (medium as? any FileMedium)?.attributes
        }
    }

    /// See ``PersistentMedium/growthObstacle``.
    var growthObstacle: String? {
        switch way {
        case .direct(let mapping): mapping.growthObstacle
        case .called(let medium): medium.growthObstacle
        }
    }

    /// See ``PersistentMedium/grow(to:from:)``.
    func grow(to bytes: Int, from used: Int) throws(StoreError) {
        switch way {
        case .direct(let mapping):
            try mapping.grow(to: bytes, from: used) { () throws(StoreError) in
                try mapping.file.syncAll()
            }
        case .called(let medium): try medium.grow(to: bytes, from: used)
        }
    }

    /// Gives up the medium. Nothing may use it afterwards.
    func close() {
        switch way {
        case .direct(let mapping): mapping.close()
        case .called(let medium): medium.close()
        }
    }

    // MARK: Reading

    /// Gives the bytes of a range to body: in place when mapped, from a buffer otherwise.
    @inline(__always)
    func withBytes<R>(
        at offset: Int, count: Int, _ body: (ByteView) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        if let base = unsafe base {
            return try body(unsafe ByteView(base: base + offset, count: count))
        }
        return try withReadBytes(at: offset, count: count, body)
    }

    @inline(never)
    private func withReadBytes<R>(
        at offset: Int, count: Int, _ body: (ByteView) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(count, 1), alignment: Geometry.line)
        defer { unsafe buffer.deallocate() }
        let wanted = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        unsafe try called.read(at: offset, into: wanted)
        return try body(unsafe ByteView(UnsafeRawBufferPointer(wanted)))
    }

    /// Copies a range.
    @unsafe
    func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        guard let direct = unsafe direct else {
            return unsafe try called.read(at: offset, into: buffer)
        }
        unsafe buffer.copyMemory(
            from: UnsafeRawBufferPointer(start: direct + offset, count: buffer.count))
    }

    /// See ``PersistentMedium/readPastCaches(at:into:)``.
    @unsafe
    func readPastCaches(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        guard let direct = unsafe direct else {
            return unsafe try called.readPastCaches(at: offset, into: buffer)
        }
        unsafe cpmem_evict(direct + offset, buffer.count)
        unsafe try read(at: offset, into: buffer)
    }

    // MARK: For assertions

    /// Whether what was stored can be expected to be there.
    private var isIntact: Bool { faultCount == 0 && writeFailure == nil }

    /// Whether what was stored can be looked at, and can be expected to be there.
    var canReadBack: Bool { unsafe base != nil && isIntact }

    /// Whether a word reads back as it was stored.
    func holds(_ word: UInt64, at offset: Int) -> Bool {
        guard let base = unsafe base, isIntact else { return true }
        return unsafe cpmem_load_acquire(base + offset) == word
    }
}
