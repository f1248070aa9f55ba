// Files, directories and block devices: which memory is below them, through partitions and
// device-mapper, on made-up trees and on the machine the test runs on.

import Foundation
import PmemPlaces
import Testing

@Suite("Place facts of files")
struct PlaceFileTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
    }

    private func inspect(
        _ path: String, device: (UInt32, UInt32), isDAX: Bool? = true,
        type: PathStatus.FileType = .regular, mountID: Int? = nil
    ) -> PlaceFacts {
        PlaceFacts.inspect(
            path: path, root: system.root,
            status: PathStatus(
                resolvedPath: path, type: type, size: 64 << 20,
                device: .init(device.0, device.1), isDAX: isDAX, mountID: mountID))
    }

    @Test("A DAX file: file system, mount, device, placement")
    func daxFile() throws {
        try system.pmem(
            0, region: try system.region(0), device: "259:0", pageMap: "pmem",
            badblocks: "8 16\n4096 1")
        try system.mount(device: "8:1", at: "/", type: "ext4", source: "/dev/sda1")
        try system.mount(
            id: 41, device: "259:0", at: "/mnt/pm\\040em",
            type: "ext4", source: "/dev/pmem0", superOptions: "rw,dax=always")
        let facts = inspect("/mnt/pm em/store", device: (259, 0))
        #expect(facts.kind == .regularFile)
        #expect(facts.refusal == nil)
        #expect(facts.isDAX == true)
        #expect(facts.fileSystem == "ext4")
        #expect(facts.mount?.mountPoint == "/mnt/pm em")
        #expect(facts.mount?.daxOption == "always")
        let device = try #require(facts.devices.first)
        #expect(device.name == "pmem0")
        #expect(device.driver == "nd_pmem")
        #expect(device.mode == "fsdax")
        #expect(device.pageMap == "pmem")
        #expect(device.physicalAddress == 0x1_0020_0000)
        #expect(device.namespaceAddress == 0x1_0000_0000)
        #expect(facts.directDevice == device)
        #expect(device.isDAXCapable == true)
        #expect(device.hasWriteCache == true)
        #expect(device.sizeBytes == 1_044_480 * 512)
        #expect(device.badRanges.map(\.firstSector) == [8, 4096])
        #expect(device.badRanges.map(\.sectorCount) == [16, 1])
    }

    @Test("The mount is found by its identifier before it is guessed from the path")
    func mountByIdentifier() throws {
        try system.mount(id: 7, device: "8:1", at: "/", type: "xfs", source: "/dev/sda1")
        try system.mount(id: 8, device: "8:2", at: "/a", type: "ext4", source: "/dev/sda2")
        #expect(inspect("/a/f", device: (8, 1), mountID: 7).fileSystem == "xfs")
        #expect(inspect("/a/f", device: (8, 2)).fileSystem == "ext4")
        #expect(inspect("/ab", device: (8, 1)).fileSystem == "xfs")
        #expect(inspect("/a", device: (8, 2), type: .directory).kind == .mountPoint)
        #expect(inspect("/a/b", device: (8, 2), type: .directory).kind == .directory)
    }

    @Test("A partition leads to its whole device")
    func partition() throws {
        let block = try system.pmem(0, region: try system.region(0), device: "259:0")
        try system.file(block + "/pmem0p1/partition", "1")
        try system.file(block + "/pmem0p1/start", "2048")
        try system.link("/sys/dev/block/259:1", to: block + "/pmem0p1")
        let facts = inspect("/mnt/f", device: (259, 1))
        #expect(facts.block?.name == "pmem0p1")
        #expect(facts.block?.partitionOffsetBytes == 1 << 20)
        #expect(facts.devices.map(\.name) == ["pmem0"])
        #expect(facts.block?.isDAXCapable == true)
    }

    @Test("Stacked device-mapper leads to every member and names the asynchronous one")
    func mapper() throws {
        let first = try system.pmem(0, region: try system.region(0), device: "259:0")
        let second = try system.pmem(
            3, region: try system.region(3, virtio: true), device: "259:3", pageMap: nil,
            namespaceMode: "memory")
        try system.mapper(0, name: "inner", device: "254:0", members: [second])
        try system.mapper(
            1, name: "outer", device: "254:1",
            members: [first, "/sys/devices/virtual/block/dm-0"])
        let facts = inspect("/mnt/f", device: (254, 1))
        #expect(facts.block?.mapperName == "outer")
        #expect(Set(facts.devices.map(\.name)) == ["pmem0", "pmem3"])
        #expect(facts.asynchronousDevices.map(\.name) == ["pmem3"])
        let virtio = try #require(facts.asynchronousDevices.first)
        #expect(virtio.sourceDriver == "virtio_pmem")
        #expect(virtio.persistenceDomain == nil)
        #expect(virtio.mode == "fsdax")
        #expect(virtio.pageMap == "ram")
        #expect(facts.block?.ordinaryLeaves == [])
    }

    @Test("A raw namespace has no struct page; sector mode has none of its own")
    func rawNamespace() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0", pageMap: nil)
        let device = try #require(inspect("/f", device: (259, 0)).devices.first)
        #expect(device.mode == "raw")
        #expect(device.pageMap == nil)
    }

    @Test("btrfs and the like: the source of the mount leads to the device")
    func anonymousDevice() throws {
        let block = try system.pmem(0, region: try system.region(0), device: "259:0")
        try system.mapper(2, name: "vg-store", device: "254:2", members: [block])
        try system.mount(
            device: "0:50", at: "/b", type: "btrfs", source: "/dev/mapper/vg-store")
        #expect(inspect("/b/f", device: (0, 50)).devices.map(\.name) == ["pmem0"])
    }

    @Test("A raw block device is refused with both ways to use it")
    func blockDevice() throws {
        try system.pmem(0, region: try system.region(0), device: "259:0")
        let facts = PlaceFacts.inspect(
            path: "/dev/pmem0", root: system.root,
            status: PathStatus(
                resolvedPath: "/dev/pmem0", type: .block, specialDevice: .init(259, 0)))
        #expect(facts.kind == .blockDevice)
        #expect(facts.devices.first?.name == "pmem0")
        let refusal = try #require(facts.refusal)
        #expect(refusal.remedy.contains("mkfs.ext4 -b 4096 /dev/pmem0"))
        #expect(refusal.remedy.contains("-e namespace0.0 -m devdax"))
    }

    @Test("What a raw block device can become depends on its mode and its memory")
    func blockDeviceRemedies() throws {
        let inspect = {
            PlaceFacts.inspect(
                path: "/dev/x", root: system.root,
                status: PathStatus(
                    resolvedPath: "/dev/x", type: .block, specialDevice: .init(259, $0)))
        }
        try system.pmem(0, region: try system.region(0), device: "259:0", pageMap: nil)
        #expect(try #require(inspect(0).refusal).remedy.hasPrefix("ndctl create-namespace"))
        let region = try system.region(1, virtio: true)
        try system.pmem(
            1, region: region, device: "259:1", pageMap: nil, namespaceMode: "memory")
        #expect(!(try #require(inspect(1).refusal).remedy.contains("devdax")))
        #expect(try #require(inspect(9).refusal).remedy.hasPrefix("name a file"))
    }

    @Test("An empty tree gives unknown facts, not errors")
    func emptyTree() {
        let facts = inspect("/somewhere/f", device: (259, 0), isDAX: nil)
        #expect(facts.kind == .regularFile)
        #expect(facts.mount == nil && facts.block == nil && facts.fileSystem == nil)
        #expect(facts.devices.isEmpty && facts.isDAX == nil && facts.refusal == nil)
        #expect(facts.permanence.isUnknown)
    }

    @Test("A link that leads out of the root is not followed")
    func escapingLink() throws {
        try system.makeDirectory("/sys/dev/block")
        try FileManager.default.createSymbolicLink(
            atPath: system.directory + "/sys/dev/block/8:0", withDestinationPath: "/tmp")
        #expect(system.root.resolve("/sys/dev/block/8:0") == nil)
        #expect(inspect("/f", device: (8, 0)).block == nil)
    }

    @Test("The real machine: a file, its directory, a missing file, a missing directory")
    func realPaths() throws {
        let path = system.directory + "/file"
        try system.file("/file", "x")
        #expect(PlaceFacts.inspect(path: path).kind == .regularFile)
        #expect(PlaceFacts.inspect(path: path).status?.size == 2)
        let directory = PlaceFacts.inspect(path: system.directory)
        #expect(directory.kind == .directory)
        #expect(directory.refusal != nil)
        let missing = PlaceFacts.inspect(path: path + "2")
        #expect(missing.kind == .missing)
        #expect(missing.refusal == nil)
        #expect(missing.status?.type == .directory)
        let lost = PlaceFacts.inspect(path: system.directory + "/no/file")
        #expect(lost.kind == .missing)
        #expect(lost.status == nil)
        #expect(try #require(lost.refusal).remedy.contains("mkdir -p"))
        #expect(PlaceFacts.inspect(path: path + "/below").refusal != nil)
    }
}
