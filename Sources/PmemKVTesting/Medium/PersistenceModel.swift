import PmemKV

/// What a crash may leave of stores that no drain has covered yet. docs/crash-model.md says why.
package struct PersistenceModel: Equatable, Sendable {
    /// Bytes that reach the medium in store order among themselves, and independently of all
    /// others: a cache line, or a sector of the page cache.
    package var granule: Int
    /// From this many bytes on a copy uses non-temporal stores: any subset of its 8-byte words.
    package var bulkThreshold: Int
    /// Whether a drain covers what every thread stored before it.
    package var drainCoversAllThreads: Bool
    package var name: String

    /// Flush and fence over 64-byte lines, as libpmem does it.
    package static let direct = PersistenceModel(
        granule: 64, bulkThreshold: 256, drainCoversAllThreads: false, name: "direct")
    /// msync(2) or fdatasync(2) over a page cache that writes back any 512-byte sector at any
    /// time, also in the middle of a copy.
    package static let paged = PersistenceModel(
        granule: 512, bulkThreshold: .max, drainCoversAllThreads: true, name: "paged")
}

/// One persistence point of the engine switched off, or done carelessly.
package struct Mutant: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The bytes are stored; no line is written back.
        case copyWithoutFlush = "copy without flush"
        /// The last line that changed is not written back (an unaligned end).
        case copyWithoutLastLine = "copy without its last line"
        /// The first line that changed is not written back (an unaligned start).
        case copyWithoutFirstLine = "copy without its first line"
        case noFlush = "no flush"
        case flushWithoutLastLine = "flush without its last line"
        case storeWithoutFlush = "store without flush"
        case noDrain = "no drain"
    }

    package let site: PersistSite
    package let kind: Kind

    package init(_ site: PersistSite, _ kind: Kind) {
        self.site = site
        self.kind = kind
    }

    package var description: String { "\(site): \(kind.rawValue)" }
}
