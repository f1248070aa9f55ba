// What the doctor says makes a write durable, on every kind of medium.

import PmemPlaces
import SystemPackage
import Testing

@Suite("Doctor: durability")
struct DoctorDurabilityTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
    }

    @Test("A DAX file on an NVDIMM commits by flush and fence")
    func nvdimm() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let report = system.report(try system.daxFile())
        #expect(try report.only("durability").values["path"] == .text("flush-and-fence"))
        #expect(try report.only("durability").severity == .ok)
        #expect(try report.only("map-sync").values["map-sync"] == .text("accepted"))
        let domain = try report.only("persistence-domain")
        #expect(domain.values["domain"] == .text("memory_controller"))
        #expect(domain.values["eadr"] == .flag(false))
        #expect(try report.only("memory").values["backing"] == .text("nvdimm"))
        #expect(report.findings("device-mapper").isEmpty)
        #expect(report.severity < .warning)
    }

    @Test("eADR: a fence is enough when libpmem says so of the whole machine, and only then")
    func automaticFlush() throws {
        let region = try system.region(0, domain: "cpu_cache")
        try system.pmem(0, region: region, device: "259:0")
        let facts = try system.daxFile()
        let automatic = system.report(facts, hasAutoFlush: true)
        #expect(try automatic.only("durability").values["path"] == .text("fence"))
        #expect(try automatic.only("persistence-domain").severity == .ok)
        let report = system.report(facts)
        #expect(try report.only("durability").values["path"] == .text("flush-and-fence"))
        #expect(try report.only("persistence-domain").severity == .note)
    }

    @Test("virtio-pmem needs msync, and says why")
    func virtio() throws {
        try system.pmem(
            0, region: try system.region(0, virtio: true), device: "259:0", pageMap: nil,
            namespaceMode: "memory")
        let report = system.report(
            try system.daxFile(), .refused(.notSupportedOnSocket))
        #expect(try report.only("durability").values["path"] == .text("msync"))
        #expect(try report.only("durability").severity == .warning)
        #expect(try report.only("memory").values["backing"] == .text("virtioPmem"))
        #expect(try report.only("map-sync").remedy?.contains("-device nvdimm") == true)
        #expect(report.findings("persistence-domain").isEmpty)
    }

    @Test("A kernel that accepts MAP_SYNC over virtio-pmem is not believed")
    func pretender() throws {
        try system.pmem(
            0, region: try system.region(0, virtio: true), device: "259:0", pageMap: nil)
        let report = system.report(try system.daxFile(), .accepted)
        #expect(try report.only("durability").values["path"] == .text("msync"))
    }

    @Test("Device-mapper: the asynchronous member is named")
    func asynchronousMember() throws {
        let first = try system.pmem(0, region: try system.region(0), device: "259:0")
        let second = try system.pmem(
            1, region: try system.region(1, virtio: true), device: "259:1", pageMap: nil,
            namespaceMode: "memory")
        try system.mapper(0, name: "mixed", device: "254:0", members: [first, second])
        let report = system.report(
            system.file(on: .init(254, 0)), .refused(.notSupportedOnSocket))
        let finding = try report.only("device-mapper")
        #expect(finding.severity == .warning)
        #expect(finding.values["members"] == .list(["pmem0", "pmem1"]))
        #expect(finding.values["asynchronous"] == .list(["pmem1"]))
        #expect(finding.what.contains("pmem1 makes it asynchronous"))
        #expect(try report.only("map-sync").remedy == "leave pmem1 out of /dev/mapper/mixed")
        #expect(report.findings("memory").count == 2)
    }

    @Test("Device-mapper over two NVDIMMs is synchronous")
    func synchronousMembers() throws {
        let first = try system.pmem(0, region: try system.region(0), device: "259:0")
        let second = try system.pmem(1, region: try system.region(1), device: "259:1")
        try system.mapper(0, name: "both", device: "254:0", members: [first, second])
        let report = system.report(system.file(on: .init(254, 0)))
        #expect(try report.only("device-mapper").severity == .ok)
        #expect(try report.only("device-mapper").values["asynchronous"] == .list([]))
        #expect(try report.only("durability").values["path"] == .text("flush-and-fence"))
    }

    @Test("Device-mapper with an ordinary disk in it: the disk is named")
    func ordinaryMember() throws {
        let first = try system.pmem(0, region: try system.region(0), device: "259:0")
        let disk = "/sys/devices/pci0000:00/nvme/nvme0/nvme0n1"
        try system.file(disk + "/size", "1000")
        try system.mapper(0, name: "mixed", device: "254:0", members: [first, disk])
        let report = system.report(
            system.file(on: .init(254, 0), isDAX: false), .refused(.notSupportedOnSocket))
        #expect(try report.only("device-mapper").values["not-memory"] == .list(["nvme0n1"]))
        #expect(try report.only("dax").remedy?.contains("nvme0n1") == true)
    }

    @Test("tmpfs: nothing survives")
    func memoryFileSystem() throws {
        try system.mount(device: "0:20", at: "/mnt", type: "tmpfs", source: "tmpfs")
        let report = system.report(
            system.file(on: .init(0, 20), isDAX: false), .refused(.notSupportedOnSocket))
        #expect(try report.only("durability").values["path"] == .text("never"))
        #expect(try report.only("durability").severity == .problem)
        #expect(try report.only("place").values["refused"] == .flag(false))
    }

    @Test("A file on a volatile region is a problem though MAP_SYNC is accepted")
    func volatileFile() throws {
        let region = try system.region(0, type: "nd_volatile", domain: nil)
        try system.pmem(0, region: region, device: "259:0")
        let report = system.report(try system.daxFile())
        #expect(try report.only("durability").values["path"] == .text("never"))
        #expect(try report.only("memory").severity == .problem)
    }

    @Test("memmap= memory is persistent by name only")
    func legacy() throws {
        let region = try system.region(0, provider: "e820", domain: nil)
        try system.pmem(0, region: region, device: "259:0")
        let report = system.report(try system.daxFile())
        #expect(try report.only("memory").severity == .warning)
        #expect(try report.only("memory").what.contains("memmap="))
        #expect(try report.only("persistence-domain").values["domain"] == .unknown)
    }

    @Test("What was not tried is not claimed")
    func untried() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let report = system.report(try system.daxFile(), .untried("it cannot be opened"))
        #expect(try report.only("durability").values["path"] == .text("unknown"))
        #expect(try report.only("map-sync").what.contains("it cannot be opened"))
    }

    @Test("libpmem's variables are weighed against the medium")
    func environment() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let facts = try system.daxFile()
        let force = ["PMEM_IS_PMEM_FORCE": "1"]
        #expect(try system.report(facts, environment: force).only("environment").severity == .note)
        #expect(
            try system.report(facts, .refused(.notSupportedOnSocket), environment: force)
                .only("environment").severity == .problem)
        let noFlush = ["PMEM_NO_FLUSH": "1"]
        #expect(
            try system.report(facts, environment: noFlush).only("environment").severity
                == .problem)
        #expect(
            system.report(facts, environment: ["PMEM_NO_FLUSH": "0"]).findings("environment")
                .isEmpty)
    }
}
