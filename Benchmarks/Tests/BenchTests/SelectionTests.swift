import PmemKV
import Testing

@testable import pmemkv_bench

@Suite struct SelectionTests {
    private func engines(
        _ text: String, durability: String = "both", index: String = "both", device: Bool = false
    ) throws -> [EngineKind] {
        var notes: [String] = []
        return try Selection.engines(
            text, durability: durability, index: index, onDevice: device, &notes)
    }

    private let floors: [EngineKind] = [.floorAppend, .floorIndex]

    @Test func bothIndexesByDefault() throws {
        #expect(try engines("store") == floors + [.pmemkv, .pmemkvOrdered])
        #expect(try Set(engines("all")).isSuperset(of: [.pmemkv, .pmemkvOrdered]))
        #expect(EngineKind.pmemkv.index == .hash && EngineKind.pmemkvOrdered.index == .ordered)
        #expect(EngineKind.lmdb.index == nil)
    }

    @Test func oneIndexReplacesTheOther() throws {
        #expect(try engines("store", index: "hash") == floors + [.pmemkv])
        #expect(try engines("store", index: "ordered") == floors + [.pmemkvOrdered])
        #expect(try engines("pmemkv", index: "ordered") == floors + [.pmemkvOrdered])
        #expect(try !engines("all", index: "ordered").contains { $0.index == .hash })
        #expect(throws: (any Error).self) { try engines("store", index: "btree") }
    }

    @Test func devicesTakeWhatNeedsNoFileSystem() throws {
        let onDevice = try engines("all", device: true)
        #expect(onDevice == floors + [.pmemkv, .pmemkvOrdered, .pmemkvRelaxed])
    }
}
