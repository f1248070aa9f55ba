// What the doctor says of memory devices: refused ones, struct page, alignment, bad blocks, health.

import PmemPlaces
import SystemPackage
import Testing

@Suite("Doctor: devices")
struct DoctorDeviceTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
    }

    @Test("dax_hmem is refused, and the reason is where the memory comes from")
    func specificPurpose() throws {
        let parent = "/sys/devices/platform/hmem.0"
        try system.driver(parent, "hmem", bus: "platform")
        try system.devdax("dax0.0", parent: parent, device: "252:0")
        let report = system.report(system.devdaxFacts("dax0.0"))
        #expect(try report.only("place").values["refused"] == .flag(true))
        #expect(try report.only("place").severity == .problem)
        #expect(try report.only("memory").values["volatile"] == .flag(true))
        #expect(try report.only("durability").values["path"] == .text("never"))
    }

    @Test("Volatile CXL memory is refused")
    func cxl() throws {
        let parent = "/sys/devices/platform/ACPI0017:00/root0/decoder0.0/region2/dax_region2"
        try system.driver(parent, "cxl_dax_region", bus: "cxl")
        try system.devdax("dax0.0", parent: parent, device: "252:0")
        let report = system.report(system.devdaxFacts("dax0.0"))
        #expect(try report.only("place").values["refused"] == .flag(true))
        #expect(try report.only("memory").values["backing"] == .text("cxlVolatile"))
        #expect(try report.only("memory").severity == .problem)
    }

    @Test("system-ram mode: the command that gives the device back")
    func systemRAM() throws {
        let holder = try system.daxHolder(
            "dax0.1", region: try system.region(0), pageMap: "ram")
        try system.devdax("dax0.0", parent: holder, device: "252:0", driver: "kmem")
        let report = system.report(
            system.devdaxFacts("dax0.0"), .untried("the device cannot be mapped"))
        let command = "daxctl reconfigure-device --mode=devdax --force dax0.0"
        #expect(try report.only("place").remedy == command)
        #expect(try report.only("memory").remedy == command)
        #expect(try report.only("memory").values["system-ram"] == .flag(true))
        #expect(try report.only("durability").values["path"] == .text("refused"))
    }

    @Test("A disabled device: the command that enables it")
    func disabled() throws {
        let holder = try system.daxHolder(
            "dax0.1", region: try system.region(0), pageMap: "ram")
        let device = try system.devdax("dax0.0", parent: holder, device: "252:0")
        try system.remove(device + "/driver")
        let report = system.report(
            system.devdaxFacts("dax0.0"), .untried("the device cannot be mapped"))
        #expect(try report.only("place").remedy == "daxctl enable-device dax0.0")
        #expect(try report.only("memory").values["disabled"] == .flag(true))
        #expect(try report.only("memory").values["driver"] == .unknown)
        #expect(try report.only("memory").values["backing"] == .text("nvdimm"))
    }

    @Test("map=mem and map=dev are told apart", arguments: [("ram", "dev"), ("pmem", "mem")])
    func structPage(placement: String, other: String) throws {
        try system.kernel("6.1.0")
        try system.pmem(
            0, region: try system.region(0), device: "259:0", pageMap: placement)
        let finding = try system.report(try system.daxFile()).only("struct-page")
        #expect(finding.values["placement"] == .text(placement))
        #expect(finding.severity == .ok)
        #expect(
            finding.remedy?.hasPrefix(
                "ndctl create-namespace -f -e namespace0.0 -m fsdax -M \(other)") == true)
    }

    @Test("map=dev on a kernel without the bypass is slow for read(2) and write(2)")
    func structPageOldKernel() throws {
        try system.kernel("4.19.0")
        try system.pmem(0, region: try system.region(0), device: "259:0", pageMap: "pmem")
        #expect(try system.report(try system.daxFile()).only("struct-page").severity == .warning)
    }

    @Test("A raw namespace: no struct page, no DAX, and how to change that")
    func raw() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0", pageMap: nil)
        let report = system.report(
            try system.daxFile(isDAX: false), .refused(.notSupportedOnSocket))
        #expect(try report.only("struct-page").severity == .warning)
        #expect(try report.only("dax").remedy?.contains("-m fsdax") == true)
    }

    @Test("A file that is not DAX on memory that could be: remount, or another block size")
    func notDAX() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let plain = system.report(
            try system.daxFile(isDAX: false), .refused(.notSupportedOnSocket))
        #expect(try plain.only("dax").severity == .warning)
        #expect(try plain.only("dax").remedy?.contains("mount -o dax=always /dev/pmem0") == true)
        let small = system.report(
            try system.daxFile(isDAX: false, blockBytes: 1024), .refused(.notSupportedOnSocket))
        #expect(try small.only("dax").remedy?.contains("mkfs.ext4 -b 4096") == true)
    }

    @Test("4 KiB alignment costs 512 faults for one", arguments: [4096, 2 << 20, 1 << 30])
    func alignment(bytes: Int) throws {
        let holder = try system.daxHolder(
            "dax0.1", region: try system.region(0), pageMap: "ram")
        try system.devdax("dax0.0", parent: holder, device: "252:0", align: bytes)
        let finding = try system.report(system.devdaxFacts("dax0.0")).only("alignment")
        #expect(finding.values["bytes"] == .number(bytes))
        #expect(finding.severity == (bytes == 4096 ? .warning : .ok))
    }

    @Test("Bad blocks inside the file are a problem, outside a warning")
    func badBlocks() throws {
        try system.pmem(
            0, region: try system.region(0), device: "259:0", badblocks: "16 8\n100000 1")
        let facts = try system.daxFile()
        let inside = try system.report(
            facts, extents: [.init(logical: 0, physical: 20 * 512, length: 4096)]
        ).only("bad-blocks")
        #expect(inside.values["sectors"] == .number(9))
        #expect(inside.values["in-file"] == .number(4))
        #expect(inside.severity == .problem)
        let outside = try system.report(
            facts, extents: [.init(logical: 0, physical: 24 * 512, length: 4096)]
        ).only("bad-blocks")
        #expect(outside.values["in-file"] == .number(0))
        #expect(outside.severity == .warning)
        #expect(try system.report(facts).only("bad-blocks").severity == .problem)
    }

    @Test("Bad blocks of device DAX are the region's")
    func badBlocksDevdax() throws {
        let region = try system.region(0)
        try system.file(region + "/badblocks", "0 2")
        let holder = try system.daxHolder("dax0.1", region: region, pageMap: "ram")
        try system.devdax("dax0.0", parent: holder, device: "252:0")
        let finding = try system.report(system.devdaxFacts("dax0.0")).only("bad-blocks")
        #expect(finding.values["sectors"] == .number(2))
        #expect(finding.remedy == "ndctl clear-errors namespace0.0")
    }

    /// Whose device had no namespace in sysfs was told to clear the errors of all namespaces of the
    /// machine, which loses what they hold.
    @Test("Without a namespace no command is named that would take all of them")
    func badBlocksOfUnknownNamespace() throws {
        let region = try system.region(0)
        try system.file(region + "/badblocks", "0 2")
        let holder = try system.daxHolder("dax0.1", region: region, pageMap: "ram")
        try system.remove(holder + "/namespace")
        try system.devdax("dax0.0", parent: holder, device: "252:0")
        let finding = try system.report(system.devdaxFacts("dax0.0")).only("bad-blocks")
        #expect(finding.values["sectors"] == .number(2))
        #expect(finding.remedy == "ndctl list -N names the namespace")
    }

    @Test("A module that is not armed is a problem")
    func health() throws {
        let region = try system.region(0)
        try system.pmem(0, region: region, device: "259:0")
        let facts = try system.daxFile()
        #expect(system.report(facts).findings("health").isEmpty)
        try system.file(region + "/mappings", "1")
        try system.file(region + "/mapping0", "nmem3,0,536870912,0")
        try system.file("/sys/bus/nd/devices/nmem3/nfit/flags", "")
        #expect(try system.report(facts).only("health").severity == .ok)
        try system.file("/sys/bus/nd/devices/nmem3/nfit/flags", "not_armed smart_notify")
        let finding = try system.report(facts).only("health")
        #expect(finding.severity == .problem)
        #expect(finding.what == "not_armed reported by nmem3")
    }

    @Test("A write cache switched off without eADR makes fsync lie")
    func writeCache() throws {
        let region = try system.region(0)
        try system.pmem(0, region: region, device: "259:0", writeCache: "0")
        #expect(try system.report(try system.daxFile()).only("write-cache").severity == .problem)
        try system.file(region + "/persistence_domain", "cpu_cache")
        #expect(try system.report(try system.daxFile()).only("write-cache").severity == .ok)
    }

    @Test("A mounted block device: look at the mount point")
    func mountedBlockDevice() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let status = PathStatus(
            resolvedPath: "/dev/pmem0", type: .block, specialDevice: .init(259, 0))
        let inspect = {
            PlaceFacts.inspect(path: "/dev/pmem0", root: system.root, status: status)
        }
        let unmounted = try system.report(inspect()).only("place")
        #expect(unmounted.remedy?.contains("mkfs.ext4") == true)
        try system.mount(device: "259:0", at: "/mnt", type: "ext4", source: "/dev/pmem0")
        let report = system.report(inspect())
        #expect(try report.only("place").remedy == "pmemkv doctor /mnt  # where it is mounted")
        #expect(report.findings("durability").isEmpty)
        #expect(try report.only("struct-page").values["placement"] == .text("ram"))
    }
}
