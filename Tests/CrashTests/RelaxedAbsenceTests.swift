import PmemKV
import PmemKVTesting
import Testing

@Suite("Absence while relaxed records are pending")
struct RelaxedAbsenceTests {
    private let key = PoolShape.key(1)

    /// What a store says of the key after a crash of this very moment that loses all it may.
    private func afterCrash(_ medium: SimulatedMedium, _ shape: PoolShape) throws -> [UInt8]? {
        let image = PoolImage(size: medium.size)
        image.copy(from: medium.durable)
        let store = try PmemStore.open(on: ScratchMedium(image), options: shape.options)
        defer { store.abandon() }
        return try store.get(key)
    }

    /// A relaxed removal can be taken back by a crash. An update that found the key absent and was
    /// to remove it once returned without a record, durable by its word, and the crash brought the
    /// key back; `remove` and batches had always written their tombstone then.
    @Test(
        "A durable removal of an absent key is durable",
        arguments: ["remove", "update", "compare and set", "batch"])
    func durableRemoval(_ operation: String) throws {
        var shape = PoolShape()
        shape.segmentSize = 4096
        let medium = SimulatedMedium(size: shape.poolSize, model: .direct)
        let store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: shape.options)
        defer { store.abandon() }
        try store.put([1, 2, 3], forKey: key)
        try store.remove(key, durability: .relaxed)
        #expect(try afterCrash(medium, shape) == [1, 2, 3], "the relaxed removal is pending")
        switch operation {
        case "remove": #expect(try !store.remove(key))
        case "update": try store.update(key) { _ in .remove }
        case "compare and set": #expect(try store.compareAndSet(key, expected: nil, to: nil))
        default:
            var batch = WriteBatch()
            batch.remove(key)
            try store.apply(batch)
        }
        #expect(try afterCrash(medium, shape) == nil)
    }
}
