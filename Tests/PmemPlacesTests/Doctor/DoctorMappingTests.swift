// 2 MiB mappings: what the extents permit, what the kernel did, and the probes on this machine.

import Foundation
import PmemPlaces
import Testing

@Suite("Doctor: mapping")
struct DoctorMappingTests {
    let system: MadeUpSystem
    private let huge = 2 << 20

    init() throws {
        system = try MadeUpSystem()
    }

    private func finding(
        _ extents: [PlaceProbe.Extent], size: Int, address: String = "0x100200000"
    ) throws -> PlaceReport.Finding {
        let block = try system.pmem(0, region: try system.region(0), device: "259:0")
        let holder = block.replacingOccurrences(of: "/block/pmem0", with: "")
        try system.file(holder + "/resource", address)
        return try system.report(try system.daxFile(size: size), extents: extents)
            .only("huge-extents")
    }

    @Test("One aligned run: every piece; in several extents that continue each other too")
    func aligned() throws {
        let one = try finding(
            [.init(logical: 0, physical: 16 * huge, length: 8 * huge)],
            size: 8 * huge)
        #expect(one.values["possible"] == .number(8))
        #expect(one.severity == .ok)
    }

    @Test("Extents that continue each other count as one run, others do not")
    func runs() throws {
        let half = huge / 2
        let joined = try finding(
            [
                .init(logical: 0, physical: 16 * huge, length: half),
                .init(logical: half, physical: 16 * huge + half, length: half),
                .init(logical: huge, physical: 40 * huge, length: half),
                .init(logical: huge + half, physical: 50 * huge + half, length: half),
            ], size: 2 * huge)
        #expect(joined.values["pieces"] == .number(2))
        #expect(joined.values["possible"] == .number(1))
        #expect(joined.severity == .warning)
    }

    @Test("A run off by one block: none")
    func misaligned() throws {
        let off = try finding(
            [.init(logical: 0, physical: 4096, length: 4 * huge)],
            size: 4 * huge)
        #expect(off.values["possible"] == .number(0))
        #expect(off.remedy != nil)
    }

    @Test("The start of the device counts, too")
    func deviceBase() throws {
        let off = try finding(
            [.init(logical: 0, physical: 4 * huge, length: 4 * huge)], size: 4 * huge,
            address: "0x100001000")
        #expect(off.values["possible"] == .number(0))
    }

    @Test("Places that mean nothing are not counted; unwritten and missing bytes are named")
    func flags() throws {
        let report = try finding(
            [
                .init(logical: 0, physical: 0, length: huge, flags: 0x4),
                .init(logical: huge, physical: 8 * huge, length: huge, flags: 0x800),
            ], size: 4 * huge)
        #expect(report.values["possible"] == .number(1))
        #expect(report.values["unwritten-bytes"] == .number(huge))
        #expect(report.values["hole-bytes"] == .number(2 * huge))
        #expect(report.what.contains("never written"))
    }

    @Test("A file smaller than 2 MiB, and one whose extents are not known")
    func small() throws {
        let report = try finding([.init(logical: 0, physical: 0, length: 4096)], size: 4096)
        #expect(report.what == "the file is smaller than 2 MiB")
        let facts = try system.daxFile()
        #expect(try system.report(facts).only("huge-extents").values["possible"] == .unknown)
    }

    @Test("What the kernel really mapped")
    func really() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let facts = try system.daxFile()
        let good = system.report(facts, huge: .init(tried: 10, huge: 10, smapsBytes: 0))
        #expect(try good.only("huge-mappings").severity == .ok)
        let bad = system.report(facts, huge: .init(tried: 10, huge: 3, smapsBytes: 6 << 20))
        #expect(try bad.only("huge-mappings").severity == .warning)
        #expect(try bad.only("huge-mappings").values["huge"] == .number(3))
        #expect(try bad.only("huge-mappings").values["smaps-bytes"] == .number(6 << 20))
        #expect(system.report(facts).findings("huge-mappings").isEmpty)
    }

    @Test("smaps: the lines of one mapping, and nothing for one that is not there")
    func smaps() {
        let text = """
            7f0000000000-7f0000200000 r--s 00000000 00:15 7 /a
            FilePmdMapped:      2048 kB
            VmFlags: rd sh mr
            7f0000400000-7f0000a00000 r--s 00000000 00:15 7 /b
            Rss:                 128 kB
            ShmemPmdMapped:     2048 kB
            FilePmdMapped:      4096 kB
            7f0000a00000-7f0000b00000 r--s 00000000 00:15 7 /c
            FilePmdMapped:      8192 kB
            """
        #expect(MemoryMap.hugeBytes(smaps: text, address: 0x7f00_0040_0000) == 6 << 20)
        #expect(MemoryMap.hugeBytes(smaps: text, address: 0x7f00_00a0_0000) == 8 << 20)
        #expect(MemoryMap.hugeBytes(smaps: text, address: 0x7f00_0050_0000) == nil)
    }

    @Test("The real probes on this machine leave the place as it was")
    func realProbe() throws {
        try system.file("/file", String(repeating: "x", count: 9000))
        let path = system.directory + "/file"
        let before = try FileManager.default.attributesOfItem(atPath: path)
        let probe = PlaceProbe.run(on: PlaceFacts.inspect(path: path))
        if case .untried(let reason) = probe.synchronous { Issue.record("untried: \(reason)") }
        let extents = probe.extents ?? []
        #expect(extents.isEmpty || extents.reduce(0) { $0 + $1.length } >= 9000)
        let after = try FileManager.default.attributesOfItem(atPath: path)
        #expect(before[.modificationDate] as? Date == after[.modificationDate] as? Date)
        #expect(before[.size] as? Int == after[.size] as? Int)

        _ = PlaceProbe.run(on: PlaceFacts.inspect(path: system.directory))
        _ = PlaceProbe.run(on: PlaceFacts.inspect(path: system.directory + "/missing"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: system.directory) == ["file"])
    }

    @Test("A report on this machine has every finding that needs no memory device")
    func realReport() {
        let report = PlaceReport.examine(system.directory)
        for id in ["place", "file-system", "dax", "durability", "map-sync", "kernel"] {
            #expect(report.findings(id).count == 1, "\(id)")
        }
        #expect(PlaceReport.examine("/dev/null").severity == .problem)
        #expect(PlaceReport.examine("/proc/version").severity == .problem)
        #expect(PlaceReport.examine("").severity == .problem)
    }
}
