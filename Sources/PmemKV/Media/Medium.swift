import CPmem

/// The engine's handle on its medium.
///
/// The flush-and-fence path is written out here so that it compiles to direct calls; a dynamic
/// call would cost several nanoseconds on a path of two hundred. Every other medium pays
/// microseconds for durability and goes through its ``PersistentMedium``.
///
/// Invariant: the writable pointer never leaves this file; the engine sees ``base``, read-only.
package final class Medium: @unchecked Sendable {
    /// Usable bytes.
    let size: Int
    /// The read-only view, or nil when reads are system calls.
    let base: UnsafeRawPointer?
    let backing: any PersistentMedium
    /// See ``PersistentMedium/drainCoversAllThreads``.
    let drainCoversAllThreads: Bool

    private let direct: UnsafeMutableRawPointer?
    private let flushes: Bool
    private let faultsAtOpen: UInt64

    package init(_ backing: any PersistentMedium) {
        self.backing = backing
        size = backing.size
        base = backing.readBase
        drainCoversAllThreads = backing.drainCoversAllThreads
        let mapped = backing as? DirectMedium
        direct = mapped?.writable
        flushes = mapped?.needsFlush ?? true
        faultsAtOpen = cpmem_guard_total_faults()
    }

    @inline(__always)
    func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        assert(offset >= 0 && offset + source.count <= size)
        guard let direct else { return backing.copy(source, to: offset, site: site) }
        if flushes {
            cpmem_copy_flush(direct + offset, source.baseAddress, source.count)
        } else {
            cpmem_copy_only(direct + offset, source.baseAddress, source.count)
        }
    }

    func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        guard let direct else { return backing.copyDeferred(source, to: offset, site: site) }
        cpmem_copy_only(direct + offset, source.baseAddress, source.count)
    }

    func flush(at offset: Int, count: Int, site: PersistSite) {
        guard let direct else { return backing.flush(at: offset, count: count, site: site) }
        if flushes { cpmem_flush(direct + offset, count) }
    }

    func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        assert(offset & 7 == 0)
        guard let direct else { return backing.store(word, to: offset, site: site) }
        cpmem_store_release(direct + offset, word)
        if flushes { cpmem_flush(direct + offset, 8) }
    }

    @inline(__always)
    func drain(site: PersistSite) throws(StoreError) {
        guard direct != nil else { return try backing.drain(site: site) }
        cpmem_fence()
        // A store that hit a lost page went to an anonymous one: it must not be acknowledged.
        if cpmem_guard_total_faults() != faultsAtOpen { try backing.drain(site: site) }
    }

    /// Whether ``prepare(at:count:)`` has something to do.
    var firstTouchIsSlow: Bool { direct != nil }

    /// Throws when a write that no drain follows has failed. Costs nothing on a mapping, where such
    /// a failure is a fault that every read looks for.
    @inline(__always)
    func checkWrites() throws(StoreError) {
        if direct == nil, let failure = backing.writeFailure { throw failure }
    }

    func prepare(at offset: Int, count: Int) { backing.prepare(at: offset, count: count) }

    var faultCount: Int { backing.faultCount }

    /// Gives the bytes of a range to body: in place when mapped, from a buffer otherwise.
    @inline(__always)
    func withBytes<R>(
        at offset: Int, count: Int,
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        if let base {
            return try body(UnsafeRawBufferPointer(start: base + offset, count: count))
        }
        return try withReadBytes(at: offset, count: count, body)
    }

    @inline(never)
    private func withReadBytes<R>(
        at offset: Int, count: Int,
        _ body: (UnsafeRawBufferPointer) throws(StoreError) -> R
    ) throws(StoreError) -> R {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(count, 1), alignment: 64)
        defer { buffer.deallocate() }
        let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        try backing.read(at: offset, into: wanted)
        return try body(UnsafeRawBufferPointer(wanted))
    }
}
