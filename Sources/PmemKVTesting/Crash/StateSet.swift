import CPmem

/// A set of 64-bit hashes that several threads add to. Bounded; open addressing, never shrinks.
package final class StateSet: @unchecked Sendable {
    private let table: UnsafeMutableRawPointer
    private let mask: Int
    private let counter = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

    /// Room for 2^bits hashes, three quarters of which are used at most.
    package init(bits: Int) {
        mask = (1 << bits) - 1
        table = cpmem_reserve((mask + 1) * 8, 0)!
        counter.storeBytes(of: 0, as: UInt64.self)
    }

    deinit {
        cpmem_release(table, (mask + 1) * 8)
        counter.deallocate()
    }

    package var count: Int { Int(cpmem_load_relaxed(counter)) }

    /// Whether the hash was not there before. A full set takes everything for known.
    package func insert(_ hash: UInt64) -> Bool {
        let hash = hash == 0 ? 1 : hash
        var slot = Int(truncatingIfNeeded: hash >> 7) & mask
        if count > mask / 4 * 3 { return false }
        while true {
            let seen = cpmem_load_relaxed(table + slot * 8)
            if seen == hash { return false }
            if seen == 0 {
                if cpmem_compare_exchange(table + slot * 8, 0, hash) {
                    _ = cpmem_fetch_add_relaxed(counter, 1)
                    return true
                }
                continue
            }
            slot = (slot + 1) & mask
        }
    }
}
