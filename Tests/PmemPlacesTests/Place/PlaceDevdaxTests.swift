// Device DAX: which devices a store may live on. libpmem would accept every one of these.

import PmemPlaces
import Testing

@Suite("Place facts of device DAX")
struct PlaceDevdaxTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
    }

    private func inspect(_ name: String, _ minor: UInt32 = 0) -> PlaceFacts {
        PlaceFacts.inspect(
            path: "/dev/" + name, root: system.root,
            status: PathStatus(
                resolvedPath: "/dev/" + name, type: .character,
                specialDevice: .init(252, minor)))
    }

    @Test(
        "A device on an NVDIMM is accepted, and its region and struct page placement are found",
        arguments: ["ram", "pmem"])
    func nvdimm(pageMap: String) throws {
        let region = try system.region(3, node: 1, targetNode: 4)
        let holder = try system.daxHolder("dax3.1", region: region, pageMap: pageMap)
        try system.devdax(
            "dax3.0", parent: holder, device: "252:0", align: 4096, node: 1, targetNode: 4)
        let facts = inspect("dax3.0")
        #expect(facts.kind == .devdax)
        #expect(facts.refusal == nil)
        let device = try #require(facts.devices.first)
        #expect(device.backing == .nvdimm)
        #expect(device.driver == "device_dax")
        #expect(device.sourceDriver == "dax_pmem")
        #expect(device.region == "region3")
        #expect(device.busProvider == "ACPI.NFIT")
        #expect(device.persistenceDomain == "memory_controller")
        #expect(device.pageMap == pageMap)
        #expect(device.mode == "devdax")
        #expect(device.namespace == "namespace0.0")
        #expect(device.alignmentBytes == 4096)
        #expect(device.sizeBytes == 526_385_152)
        #expect(device.numaNode == 1)
        #expect(device.targetNode == 4)
        #expect(!device.isVolatile && !device.isSystemRAM && !device.isAsynchronous)
    }

    @Test("Specific-purpose memory of dax_hmem is volatile and refused")
    func specificPurpose() throws {
        let parent = "/sys/devices/platform/hmem.0"
        try system.driver(parent, "hmem", bus: "platform")
        try system.makeDirectory("/sys/module/dax_hmem")
        try system.link("/sys/bus/platform/drivers/hmem/module", to: "/sys/module/dax_hmem")
        try system.devdax("dax1.0", parent: parent, device: "252:0")
        let facts = inspect("dax1.0")
        let device = try #require(facts.devices.first)
        #expect(device.backing == .specificPurpose)
        #expect(device.sourceDriver == "dax_hmem")
        #expect(facts.isVolatile)
        #expect(try #require(facts.refusal).reason.contains("EFI_MEMORY_SP"))
    }

    @Test("CXL memory in ram mode is volatile and refused")
    func cxlVolatile() throws {
        let parent =
            "/sys/devices/platform/ACPI0017:00/root0/decoder0.0/region2/dax_region2"
        try system.driver(parent, "cxl_dax_region", bus: "cxl")
        try system.devdax("dax2.0", parent: parent, device: "252:0")
        let facts = inspect("dax2.0")
        #expect(facts.devices.first?.backing == .cxlVolatile)
        #expect(facts.devices.first?.region == "region2")
        #expect(try #require(facts.refusal).reason.contains("CXL memory in ram mode"))
    }

    @Test("CXL persistent memory comes through libnvdimm and is accepted")
    func cxlPersistent() throws {
        let region = try system.region(0, provider: "CXL")
        let holder = try system.daxHolder("dax0.1", region: region, pageMap: "pmem")
        try system.devdax("dax0.0", parent: holder, device: "252:0")
        let facts = inspect("dax0.0")
        #expect(facts.refusal == nil)
        #expect(facts.devices.first?.busProvider == "CXL")
    }

    @Test("A device in system-ram mode is refused with the command that gives it back")
    func systemRAM() throws {
        let holder = try system.daxHolder(
            "dax0.1", region: try system.region(0), pageMap: "pmem")
        try system.devdax("dax0.0", parent: holder, device: "252:0", driver: "kmem")
        let facts = inspect("dax0.0")
        #expect(facts.devices.first?.isSystemRAM == true)
        let refusal = try #require(facts.refusal)
        #expect(refusal.reason.contains("system-ram"))
        #expect(refusal.remedy.contains("daxctl reconfigure-device --mode=devdax"))
        #expect(refusal.remedy.hasSuffix("dax0.0"))
    }

    @Test("Device DAX on virtio-pmem is refused: it has no way to reach the host's file")
    func virtio() throws {
        let holder = try system.daxHolder(
            "dax4.1", region: try system.region(4, virtio: true), pageMap: "ram")
        try system.devdax("dax4.0", parent: holder, device: "252:0")
        let facts = inspect("dax4.0")
        #expect(facts.devices.first?.backing == .virtioPmem)
        #expect(facts.devices.first?.sourceDriver == "virtio_pmem")
        #expect(facts.asynchronousDevices.count == 1)
        #expect(try #require(facts.refusal).reason.contains("virtio-pmem"))
    }

    @Test("A libnvdimm region that calls itself volatile is refused")
    func volatileRegion() throws {
        let holder = try system.daxHolder(
            "dax0.1", region: try system.region(0, type: "nd_volatile"), pageMap: "ram")
        try system.devdax("dax0.0", parent: holder, device: "252:0")
        #expect(inspect("dax0.0").devices.first?.backing == .volatileRegion)
        #expect(inspect("dax0.0").refusal != nil)
    }

    @Test("A device of which sysfs knows nothing is refused, not trusted")
    func unknown() throws {
        let facts = inspect("dax7.0")
        #expect(facts.kind == .devdax)
        #expect(facts.devices.first?.backing == .unknown)
        #expect(try #require(facts.refusal).reason.contains("cannot be shown to be persistent"))
    }

    @Test("A device without a node in /dev is still recognised by its name")
    func missingNode() throws {
        let holder = try system.daxHolder(
            "dax97.1", region: try system.region(0), pageMap: "ram")
        try system.devdax("dax97.0", parent: holder, device: "252:0", driver: "kmem")
        let facts = PlaceFacts.inspect(path: "/dev/dax97.0", root: system.root)
        #expect(facts.kind == .devdax)
        #expect(facts.refusal != nil)
    }

    @Test("Another character device is no place for a store")
    func otherCharacterDevice() {
        let facts = PlaceFacts.inspect(
            path: "/dev/null", root: system.root,
            status: PathStatus(
                resolvedPath: "/dev/null", type: .character, specialDevice: .init(1, 3)))
        #expect(facts.kind == .other)
        #expect(facts.refusal != nil)
    }
}
