import Foundation
import SystemPackage
import Testing

@testable import PmemKV

@Suite("Pools in the making")
struct NewPoolTests {
    private let directory: String

    init() throws {
        directory = "/dev/shm/pmemkv-new-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    private var names: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    /// A copy had its name from the beginning: killed in the middle it stayed, a sound pool with
    /// some of the keys.
    @Test("A pool that is being filled cannot be found, and one whose filling fails is gone")
    func filling() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/copy"
        let geometry = try Geometry(poolSize: 1 << 20, segmentSize: 65536)
        func fill(_ failure: StoreError?) throws -> Int {
            try PmemStore.createFilled(
                at: PoolPath(path), size: nil, like: geometry, geometry.size(of: 1 << 20),
                requirement: nil, overwriting: .refused, attributes: nil
            ) { target throws(StoreError) in
                for key in 0..<100 {
                    _ = try [UInt8(key)].withByteView { key throws(StoreError) in
                        try target.put(target.records.unnamed(key), key, relaxed: true)
                    }
                    #expect(names.isEmpty)
                }
                if let failure { throw failure }
            }
        }
        #expect(throws: StoreError.self) { try fill(StoreError(.outOfSpace, "no room")) }
        #expect(names.isEmpty)
        #expect(try fill(nil) == 100 && names == ["copy"])
        let copy = try PmemStore.open(at: path)
        #expect(copy.count == 100 && copy.recoveryReport.wasClean)
        try copy.close()
        #expect { try fill(nil) } throws: { ($0 as? StoreError)?.code == .alreadyExists }
    }

    @Test("A temporary name is removed with its file, and gives way to the complete one")
    func temporaryName() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = FilePath(directory + "/pool")
        try Data("old".utf8).write(to: URL(fileURLWithPath: path.string))
        func makeFile() throws -> UnfinishedFile {
            let file = try UnfinishedFile(
                at: path, shown: path.string, replaces: true, attributes: nil,
                calls: KernelCalls())
            _ = try file.descriptor.writeAll("new".utf8)
            return file
        }
        _ = try makeFile()
        #expect(names == ["pool"])
        try makeFile().publish()
        #expect(names == ["pool"])
        #expect(try String(contentsOfFile: path.string, encoding: .utf8) == "new")
    }
}
