/// The entries of a summary to be. An array would be asked whether it is shared at every record.
@safe
struct EntryList: ~Copyable {
    private var base: UnsafeMutablePointer<SummaryEntry>?
    private(set) var count = 0
    private var capacity = 0

    init() { unsafe base = nil }

    deinit { unsafe base?.deallocate() }

    var isEmpty: Bool { count == 0 }

    /// Gives the entries to body.
    func withSpan<R>(_ body: (Span<SummaryEntry>) -> R) -> R {
        body(unsafe UnsafeBufferPointer(start: base, count: count).span)
    }

    @inline(__always)
    mutating func append(_ entry: SummaryEntry) {
        if count == capacity { grow() }
        unsafe base.unsafelyUnwrapped[count] = entry
        count &+= 1
    }

    mutating func removeAll() { count = 0 }

    @inline(never)
    private mutating func grow() {
        let larger = max(64, capacity * 2)
        let grown = UnsafeMutablePointer<SummaryEntry>.allocate(capacity: larger)
        if let base = unsafe base {
            unsafe grown.update(from: base, count: count)
            unsafe base.deallocate()
        }
        unsafe base = grown
        capacity = larger
    }
}
