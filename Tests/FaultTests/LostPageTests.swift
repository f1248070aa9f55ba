// A page that is lost between the moment its record was verified and the moment its bytes are used.

import PmemKVTesting
import Testing

@testable import PmemKV

@Suite("Lost pages")
struct LostPageTests {
    private static let key: [UInt8] = Array("key".utf8)
    private static let value = [UInt8](repeating: 7, count: 500)

    /// A store with one value, and what takes the bytes of all its records away.
    private func makeStore() throws -> (store: PmemStore, lose: () -> Void) {
        let shape = PoolShape()
        let image = PoolImage(size: shape.poolSize)
        let scratch = ScratchMedium(image)
        try PmemStore.open(
            on: scratch, formatSegmentSize: shape.segmentSize, options: shape.options
        ).close()
        let medium = FaultyMedium(scratch, plan: nil)
        let store = try PmemStore.open(on: medium, options: shape.options)
        try store.put(Self.value, forKey: Self.key)
        let data = store.engine.geometry.dataOffset
        return (
            store,
            {
                (image.bytes + data).initializeMemory(
                    as: UInt8.self, repeating: 0, count: image.size - data)
                medium.noteFault()
            }
        )
    }

    private func code<R>(_ body: () throws -> R) -> StoreError.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    /// A get gave zeroes where the value had been: only withValue asked for faults afterwards.
    @Test func aCopyThatWasTakenTooLateIsNotBelieved() throws {
        let (store, lose) = try makeStore()
        defer { store.abandon() }
        var copies: [[UInt8]] = []
        let code = code {
            try Self.key.withByteView { key in
                let key = store.records.unnamed(key)
                return try store.records.withRecord(key, store.records.hash(key)) { record in
                    lose()
                    copies.append(record.value.array)
                }
            }
        }
        #expect(code == .media)
        #expect(copies.count == 1 && copies[0] != Self.value)
    }

    /// A fault elsewhere, which the same counter tells of, has the record verified again: no more.
    @Test func aFaultElsewhereChangesNoAnswer() throws {
        let shape = PoolShape()
        let scratch = ScratchMedium(PoolImage(size: shape.poolSize))
        let medium = FaultyMedium(scratch, plan: nil)
        let store = try PmemStore.open(
            on: medium, formatSegmentSize: shape.segmentSize, options: shape.options)
        defer { store.abandon() }
        try store.put(Self.value, forKey: Self.key)
        let value = try Self.key.withByteView { key in
            let key = store.records.unnamed(key)
            return try store.records.withRecord(key, store.records.hash(key)) { record in
                medium.noteFault()
                return record.value.array
            }
        }
        #expect(value == Self.value)
    }

    /// What a body of a caller looks at may be lost under it: it cannot be called again, so the
    /// call says that what it saw is not to be believed.
    @Test func bodiesAreToldOfALoss() throws {
        let (borrowed, loseBorrowed) = try makeStore()
        defer { borrowed.abandon() }
        #expect(code { try borrowed.withValue(forKey: Self.key) { _ in loseBorrowed() } } == .media)
        let (scanned, loseScanned) = try makeStore()
        defer { scanned.abandon() }
        let code = code {
            try scanned.scan { _, _ in
                loseScanned()
                return true
            }
        }
        #expect(code == .media)
    }

    /// A scan with the hash index copies keys first: one that was lost is not left out in silence.
    @Test func aPassOverAllRecordsNoticesALoss() throws {
        let (store, lose) = try makeStore()
        defer { store.abandon() }
        let code = code {
            try store.records.forEachRecord({ _ in lose() }, damage: { _ in })
        }
        #expect(code == .media)
    }

    /// The public call read the whole value to say whether a key is there, the one that removals
    /// ask did not: a key with a damaged value was there for one and an error for the other.
    @Test func aDamagedValueIsThere() throws {
        let shape = PoolShape()
        let image = PoolImage(size: shape.poolSize)
        let store = try PmemStore.open(
            on: ScratchMedium(image), formatSegmentSize: shape.segmentSize, options: shape.options)
        defer { store.abandon() }
        try store.put(Self.value, forKey: Self.key)
        let place = try #require(image.snapshot.firstRange(of: Self.value)).lowerBound
        image.bytes.storeBytes(of: 0, toByteOffset: place, as: UInt8.self)
        #expect(try store.contains(Self.key))
        #expect(code { try store.get(Self.key) } == .corrupt)
        #expect(try store.remove(Self.key))
        #expect(try !store.contains(Self.key))
    }
}
