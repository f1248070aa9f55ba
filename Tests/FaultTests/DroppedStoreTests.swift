import PmemKV
import PmemKVTesting
import Testing

/// A memory that takes stores and keeps none, behind caches that answer for it.
private final class ForgetfulMedium: PersistentMedium, @unchecked Sendable {
    /// Which of the stores are lost.
    enum Loss: CaseIterable { case all, table, none }

    private let loss: Loss
    /// What the caches say.
    private let cached: ScratchMedium
    /// What is below them.
    private let kept: ScratchMedium

    init(_ loss: Loss, size: Int) {
        self.loss = loss
        cached = ScratchMedium(PoolImage(size: size))
        kept = ScratchMedium(PoolImage(size: size))
    }

    var size: Int { cached.size }
    var readBase: UnsafeRawPointer? { cached.readBase }
    var drainCoversAllThreads: Bool { false }
    var faultCount: Int { 0 }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        try cached.read(at: offset, into: buffer)
    }

    func readPastCaches(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try kept.read(at: offset, into: buffer)
    }

    func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        cached.copy(source, to: offset, site: site)
        if loss == .all || loss == .table && site == .createTable { return }
        kept.copy(source, to: offset, site: site)
    }

    func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        copy(source, to: offset, site: site)
    }

    func flush(at offset: Int, count: Int, site: PersistSite) {}

    func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        cached.store(word, to: offset, site: site)
        if loss == .none { kept.store(word, to: offset, site: site) }
    }

    func drain(site: PersistSite) throws(StoreError) {}
    func prepare(at offset: Int, count: Int) {}
    func close() {}
}

@Suite("Media that lose stores")
struct DroppedStoreTests {
    /// A window to a memory that was set up wrongly dropped every store without an error. Creating
    /// a pool there was a success, as long as the processor's caches had the lines.
    @Test("Creating a pool on a medium that keeps nothing is an error that says so")
    func create() throws {
        let shape = PoolShape()
        func make(_ loss: ForgetfulMedium.Loss) throws(StoreError) -> PmemStore {
            try PmemStore.open(
                on: ForgetfulMedium(loss, size: shape.poolSize),
                formatSegmentSize: shape.segmentSize, options: shape.options)
        }
        try make(.none).close()
        for loss in [ForgetfulMedium.Loss.all, .table] {
            #expect { try make(loss).close() } throws: {
                let error = $0 as? StoreError
                return error?.code == .media
                    && error!.message.contains("does not keep what is written")
            }
        }
    }
}
