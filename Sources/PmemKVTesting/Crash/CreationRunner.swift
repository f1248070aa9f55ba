import CPmem
import PmemKV

/// Creates a pool over an older one and looks at every crash state on the way.
///
/// A crash may leave the old pool whole, no pool, or the new one, empty; never a pool that has a
/// valid superblock and cannot be opened. Once creation has returned only the new one is right.
package final class CreationRunner: MediumObserver {
    private let shape: PoolShape
    private let medium: SimulatedMedium
    private let known: StateSet
    private var problem: String?
    private var isCreated = false
    package private(set) var states = 0
    package var usage: Set<Mutant> { medium.usage }

    package init(
        shape: PoolShape, known: StateSet, mutant: Mutant? = nil, recordsUsage: Bool = false
    ) {
        self.shape = shape
        self.known = known
        medium = SimulatedMedium(size: shape.poolSize, model: shape.model)
        medium.mutant = mutant
        medium.recordsUsage = recordsUsage
    }

    /// Returns the first thing that is wrong.
    package func run() -> String? {
        do throws(StoreError) {
            var old = shape.options
            old.engine.formatIdentity = 0x01D
            medium.reset(to: nil)
            let mutant = medium.mutant
            medium.mutant = nil
            let first = try PmemStore.open(
                on: medium, formatSegmentSize: shape.segmentSize, options: old)
            for number in 0..<shape.keys {
                try first.put([1, 2, 3], forKey: PoolShape.key(number))
            }
            first.abandon()
            medium.mutant = mutant
            medium.observer = self
            defer { medium.observer = nil }
            let store = try PmemStore.open(
                on: medium, formatSegmentSize: shape.segmentSize, options: shape.options)
            isCreated = true
            explore()
            store.abandon()
        } catch {
            return problem ?? "creation failed: \(error)"
        }
        return problem
    }

    package func willDrain(_ medium: SimulatedMedium, site: PersistSite) throws(StoreError) {
        explore()
        if problem != nil { throw SimulatedMedium.crash }
    }

    private func explore() {
        var random = SplitMix(seed: medium.durableHash)
        let scratch = ScratchMedium(medium.durable)
        var states = CrashStates(
            image: medium.durable, hash: medium.durableHash, pending: medium.pending,
            granule: medium.model.granule)
        let salt: UInt64 = isCreated ? 11 : 7
        _ = states.visit(limit: 4096, random: &random) { hash in
            guard known.insert(PoolImage.mix(hash ^ salt)) else { return true }
            self.states += 1
            problem = judge(scratch)
            scratch.rollBack()
            return problem == nil
        }
    }

    private func judge(_ scratch: ScratchMedium) -> String? {
        do throws(StoreError) {
            let store = try PmemStore.open(on: scratch, options: shape.options)
            defer { store.abandon() }
            if store.count == 0 {
                if try store.structure().lost != 0 { return "creation lost segments" }
                return nil
            }
            if isCreated { return "the old pool is back after creation" }
            for number in 0..<shape.keys where try store.get(PoolShape.key(number)) != [1, 2, 3] {
                return "a crash in creation left half of the old pool"
            }
            return nil
        } catch {
            if isCreated { return "a created pool does not open: \(error)" }
            if error.code == .notAPool { return nil }
            let hasSuperblock = (0..<2).contains { isValid(scratch.readBase! + $0 * 4096) }
            return error.code == .corrupt && !hasSuperblock
                ? nil : "a crash in creation left a pool that cannot be opened: \(error)"
        }
    }

    private func isValid(_ bytes: UnsafeRawPointer) -> Bool {
        var block = bytes.loadUnaligned(as: cpmem_superblock.self)
        let checksum = block.checksum
        block.checksum = 0
        return block.magic == CPMEM_MAGIC
            && withUnsafeBytes(of: &block) { cpmem_crc32c($0.baseAddress, $0.count) } == checksum
    }
}
