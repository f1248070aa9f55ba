// A pool on the initramfs, on an overlay over tmpfs and on ext4 on a loop device over a file in
// tmpfs was called durable, and all of it was gone after a power loss: only the file system that
// the file lies on was looked at. These tests walk every layer that can hide memory.

import PmemPlaces
import Testing

@Suite("Permanence")
struct PermanenceTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
        try system.mount(id: 1, device: "8:1", at: "/", type: "ext4", source: "/dev/sda1")
        try system.disk("sda1", device: "8:1")
        try system.mount(id: 2, device: "0:20", at: "/run", type: "tmpfs", source: "tmpfs")
        try system.makeDirectory("/run/upper")
        try system.makeDirectory("/srv/upper")
        try system.file("/run/image", "")
        try system.file("/srv/image", "")
    }

    /// What becomes of a file below /mnt, where a file system is mounted.
    private func permanence(
        _ type: String, on device: (UInt32, UInt32) = (0, 50), source: String = "none",
        options: String = "rw"
    ) throws -> Permanence {
        try system.mount(
            device: "\(device.0):\(device.1)", at: "/mnt", type: type, source: source,
            superOptions: options)
        return system.file(on: .init(device.0, device.1), isDAX: false).permanence
    }

    @Test(
        "Memory is volatile by every name it has",
        arguments: ["tmpfs", "ramfs", "rootfs", "hugetlbfs", "devtmpfs"])
    func memory(type: String) throws {
        #expect(try permanence(type) == .volatile("\(type) is gone with the machine"))
    }

    @Test("A disk keeps what it is told to; a file system that cannot be followed says nothing")
    func disks() throws {
        #expect(try permanence("ext4", on: (8, 1)) == .lasting)
        for type in ["nfs4", "cifs", "zfs", "9p", "virtiofs", "fuse.sshfs", "aufs"] {
            #expect(try permanence(type).isUnknown, "\(type)")
        }
    }

    @Test("An overlay is what its upper directory lies on")
    func overlay() throws {
        #expect(try permanence("overlay", options: "rw,upperdir=/srv/upper") == .lasting)
        try system.remove("/proc/self/mountinfo")
        try system.mount(id: 2, device: "0:20", at: "/run", type: "tmpfs", source: "tmpfs")
        let hidden = try permanence("overlay", options: "rw,lowerdir=/,upperdir=/run/upper")
        #expect(
            hidden == .volatile("below overlay (/run/upper): tmpfs is gone with the machine"))
    }

    /// In a container the option is a path of the host. Whatever stands there in the container, it
    /// is not the upper directory.
    @Test(
        "An upper directory that cannot be seen is unknown",
        arguments: ["/var/lib/elsewhere/diff", "relative", "/mnt/upper", "/run/up\\054per"])
    func unseenUpper(path: String) throws {
        try system.makeDirectory("/mnt/upper")
        #expect(try permanence("overlay", options: "rw,upperdir=\(path)").isUnknown)
        try system.makeDirectory("/run/up,per")
        let escaped = try permanence("overlay", options: "rw,upperdir=\(path)")
        #expect(escaped.isUnknown == !path.contains("\\"))
    }

    @Test("Overlays without an upper directory, and those that leave out syncs")
    func otherOverlays() throws {
        #expect(try permanence("overlay", options: "ro,lowerdir=/srv:/lib").isUnknown)
        try system.remove("/proc/self/mountinfo")
        try system.mount(id: 1, device: "8:1", at: "/", type: "ext4", source: "/dev/sda1")
        #expect(try permanence("overlay", options: "rw,upperdir=/srv/upper,volatile").isVolatile)
    }

    @Test("Overlays one on the other, and a loop device in between")
    func stackedOverlays() throws {
        try system.disk("loop0", device: "7:0", file: "/run/image")
        try system.mount(id: 3, device: "7:0", at: "/a", type: "ext4", source: "/dev/loop0")
        try system.makeDirectory("/a/upper")
        try system.mount(
            id: 4, device: "0:31", at: "/b", type: "overlay", source: "overlay",
            superOptions: "rw,upperdir=/a/upper")
        try system.makeDirectory("/b/upper")
        #expect(
            try permanence("overlay", options: "rw,upperdir=/b/upper")
                == .volatile(
                    "below overlay (/b/upper): below overlay (/a/upper): "
                        + "below loop0 (/run/image): tmpfs is gone with the machine"))
    }

    @Test(
        "A loop device is what its file lies on",
        arguments: [
            ("/srv/image", false, false), ("/run/image", true, false),
            ("/run/image (deleted)", true, false), ("/srv/other", false, true),
            ("/dev/sda1", false, false), ("/dev/ram1", true, false), ("", false, true),
        ] as [(String, Bool, Bool)])
    func loop(file: String, isVolatile: Bool, isUnknown: Bool) throws {
        try system.disk("ram1", device: "1:1")
        let whole = try system.disk("loop3", device: "7:3", file: file)
        #expect(try permanence("ext4", on: (7, 3)).isVolatile == isVolatile)
        #expect(try permanence("ext4", on: (7, 3)).isUnknown == isUnknown)
        try system.file(whole + "/loop3p1/partition", "1")
        try system.link("/sys/dev/block/259:7", to: whole + "/loop3p1")
        #expect(try permanence("ext4", on: (259, 7)).isVolatile == isVolatile)
    }

    @Test("A loop device over a file on itself ends")
    func circle() throws {
        try system.file("/mnt/image", "")
        try system.disk("loop0", device: "7:0", file: "/mnt/image")
        #expect(try permanence("ext4", on: (7, 0)).isUnknown)
    }

    @Test(
        "Disks in memory, and those that another machine or a program keeps",
        arguments: [
            ("ram0", true, false), ("zram2", true, false), ("nullb0", true, false),
            ("nbd1", false, true), ("ublkb0", false, true), ("sda", false, false),
            ("nvme0n1", false, false), ("vda", false, false),
        ] as [(String, Bool, Bool)])
    func kinds(name: String, isVolatile: Bool, isUnknown: Bool) throws {
        let disk = try system.disk(name, device: "250:0")
        #expect(try permanence("ext4", on: (250, 0)).isVolatile == isVolatile)
        #expect(try permanence("ext4", on: (250, 0)).isUnknown == isUnknown)
        // The same behind device-mapper, beside a disk that is sound.
        let sound = try system.disk("sdb", device: "8:16")
        try system.mapper(0, name: "joined", device: "254:0", members: [sound, disk])
        #expect(try permanence("xfs", on: (254, 0)).isVolatile == isVolatile)
        #expect(try permanence("xfs", on: (254, 0)).isUnknown == isUnknown)
    }

    @Test("A partition of an md device has the members of the whole")
    func partitionOfArray() throws {
        let memory = try system.disk("ram0", device: "1:0")
        let array = try system.disk("md0", device: "9:0")
        try system.link(array + "/slaves/ram0", to: memory)
        try system.file(array + "/md0p1/partition", "1")
        try system.link("/sys/dev/block/259:9", to: array + "/md0p1")
        #expect(
            try permanence("ext4", on: (259, 9))
                == .volatile("below md0p1: ram0 is a disk in DRAM"))
    }

    @Test("Devices that a file system has beside the one it is mounted from")
    func companions() throws {
        let memory = try system.disk("ram0", device: "1:0")
        let disk = try system.disk("sdc", device: "8:32")
        #expect(try permanence("xfs", on: (8, 32), options: "rw,logdev=/dev/ram0").isVolatile)
        try system.link("/sys/fs/btrfs/1234/devices/ram0", to: memory)
        try system.link("/sys/fs/btrfs/1234/devices/sdc", to: disk)
        try system.mount(id: 50, device: "0:60", at: "/b", type: "btrfs", source: "/dev/sdc")
        let facts = PlaceFacts.inspect(
            path: "/b/store", root: system.root,
            status: PathStatus(resolvedPath: "/b/store", type: .regular, device: .init(0, 61)))
        #expect(facts.permanence.isVolatile)
    }

    @Test("Without barriers a disk may keep nothing; memory has no cache to leave out")
    func barriers() throws {
        #expect(try permanence("ext4", on: (8, 1), options: "rw,nobarrier").isUnknown)
        try system.pmem(0, region: try system.region(0), device: "259:0")
        #expect(try permanence("ext4", on: (259, 0), options: "rw,barrier=0") == .lasting)
    }

    @Test("Memory that e820 declares may be DRAM: nothing tells")
    func e820() throws {
        let region = try system.region(0, provider: "e820", domain: nil)
        try system.pmem(0, region: region, device: "259:0")
        #expect(try permanence("ext4", on: (259, 0)).isUnknown)
    }
}

extension Permanence {
    var isVolatile: Bool { if case .volatile = self { true } else { false } }
    var isUnknown: Bool { if case .unknown = self { true } else { false } }
}
