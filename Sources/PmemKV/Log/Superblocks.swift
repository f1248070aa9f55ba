/// The two copies of the superblock on the medium, as one.
///
/// Invariants:
/// - An update writes the copy that is not the newest, then drains; a torn write leaves the other
///   copy valid. What is in DRAM changes when the update is durable.
/// - One update at a time, under the lock.
final class Superblocks: @unchecked Sendable {
    private let medium: Medium
    private let words = SharedLines(1)
    private var lock: SpinLock { SpinLock(words[0]) }
    private var newestBlock: Superblock
    /// Which copy is the newest.
    private var newest: Int

    /// - Parameter newest: the copy that was read as `block`.
    init(_ block: Superblock, newest: Int, medium: Medium) {
        newestBlock = block
        self.newest = newest
        self.medium = medium
    }

    /// The superblock as it is now.
    var current: Superblock { lock.withLock { newestBlock } }

    /// Makes the pool one that a program has to know a feature for, before anything on the medium
    /// depends on that: durably, in both copies, since either may be the one that is left.
    func require(_ feature: Superblock.Features) throws(StoreError) {
        guard !current.features.isSuperset(of: feature) else { return }
        for _ in 0..<Superblock.copies {
            try update { block in
                block.features.formUnion(feature)
                return true
            }
        }
    }

    /// Makes the pool larger, durably, in both copies: records are in what has come only when
    /// either copy says so (I16).
    func grow(to size: PoolSize, limit: Int) throws(StoreError) {
        for _ in 0..<Superblock.copies {
            try update(site: .growSuperblock, drain: .growSuperblockDrain) { block in
                block.grow(to: size, limit: limit)
                return true
            }
        }
    }

    /// Changes the superblock and makes the change durable, unless `change` says that there is
    /// none to make. Returns the superblock as it is now.
    @discardableResult
    func update(
        site: PersistSite = .superblock, drain: PersistSite = .superblockDrain,
        _ change: (inout Superblock) -> Bool
    ) throws(StoreError) -> Superblock {
        lock.lock()
        defer { lock.unlock() }
        var next = newestBlock
        guard change(&next) else { return newestBlock }
        let copy = 1 - newest
        next.withUpdatedBytes {
            medium.copy($0, to: Superblock.offset(ofCopy: copy), site: site)
        }
        try medium.drain(site: drain)
        newestBlock = next
        newest = copy
        return next
    }
}
