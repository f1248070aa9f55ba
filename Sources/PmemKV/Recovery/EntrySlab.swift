import CPmem

/// Memory for what summaries list, in huge pages where the kernel has them: it is twice as much as
/// the index to be takes, and faulting small pages in would take longer than reading it.
@safe
final class EntrySlab: @unchecked Sendable {
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private let byteCount: Int

    init(capacity: Int) throws(StoreError) {
        self.capacity = capacity
        byteCount = max(1, capacity) * Summary.entrySize
        guard let memory = unsafe cpmem_reserve(byteCount, 1) else {
            throw StoreError(.io, "no memory for the \(capacity) records that recovery reads")
        }
        unsafe base = memory
    }

    deinit { unsafe cpmem_release(base, byteCount) }

    /// Each entry is written by one thread, and read by others when that is done.
    @inline(__always)
    subscript(number: Int) -> SummaryEntry {
        get {
            precondition(number >= 0 && number < capacity)
            return unsafe base.load(
                fromByteOffset: number &* Summary.entrySize, as: SummaryEntry.self)
        }
        set {
            precondition(number >= 0 && number < capacity)
            unsafe base.storeBytes(
                of: newValue, toByteOffset: number &* Summary.entrySize, as: SummaryEntry.self)
        }
    }

    /// Starts to load an entry, which may be none.
    @inline(__always)
    func prefetch(_ number: Int) {
        unsafe cpmem_prefetch(base + number &* Summary.entrySize)
    }
}
