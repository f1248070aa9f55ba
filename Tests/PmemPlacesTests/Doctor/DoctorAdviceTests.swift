// What the doctor advises. It told machines without persistent memory to mount /dev/pmemN, called
// an overlay well beside the remark that only ext4 and XFS can map, and said of a file that nobody
// may read, a directory nobody may write and a full disk that all was in order.

import Foundation
import PmemPlaces
import SystemPackage
import Testing

@Suite("Doctor: advice")
struct DoctorAdviceTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
    }

    private func facts(
        _ path: String = "/mnt/store", _ type: PathStatus.FileType = .regular,
        on device: (UInt32, UInt32) = (8, 1), special: (UInt32, UInt32) = (0, 0),
        free: Int? = nil, isReadOnly: Bool? = false, owner: UInt32 = 0, mayRead: Bool? = true,
        mayWrite: Bool? = true
    ) -> PlaceFacts {
        PlaceFacts.inspect(
            path: path, root: system.root,
            status: PathStatus(
                resolvedPath: path, type: type, size: 64 << 20,
                device: .init(device.0, device.1), specialDevice: .init(special.0, special.1),
                isDAX: false, freeBytes: free, isReadOnly: isReadOnly, owner: owner,
                mayRead: mayRead, mayWrite: mayWrite))
    }

    private func disk(type: String = "ext4") throws {
        try system.disk("sda1", device: "8:1")
        try system.mount(device: "8:1", at: "/mnt", type: type, source: "/dev/sda1")
    }

    /// Everything advised in a report.
    private func advice(_ report: PlaceReport) -> String {
        report.findings.compactMap(\.remedy).joined(separator: "\n")
    }

    private func report(_ facts: PlaceFacts) -> PlaceReport {
        system.report(facts, .refused(.notSupportedOnSocket))
    }

    @Test("A machine without persistent memory is not told to use some")
    func nothingThere() throws {
        try disk()
        for place in [facts(), facts("/mnt/dir", .directory, free: 4 << 30)] {
            let told = advice(report(place))
            #expect(!told.contains("pmem0") && !told.contains("dax"), "\(told)")
            #expect(!told.contains("pmemN") && !told.contains("X.Y"), "\(told)")
        }
    }

    @Test("A volatile place leads to persistent memory where there is some, else to a disk")
    func elsewhere() throws {
        try system.mount(id: 1, device: "0:20", at: "/mnt", type: "tmpfs", source: "tmpfs")
        let place = facts(on: (0, 20))
        #expect(try report(place).only("durability").remedy == nil)
        try system.file("/srv/content", "")
        try system.disk("sda1", device: "8:1")
        try system.mount(id: 2, device: "8:1", at: "/srv", type: "ext4", source: "/dev/sda1")
        #expect(
            try report(place).only("durability").remedy
                == "pmemkv doctor /srv  # ext4 on /dev/sda1")
        let holder = try system.daxHolder(
            "dax1.1", region: try system.region(1), pageMap: "ram")
        try system.devdax("dax1.0", parent: holder, device: "252:1")
        #expect(try report(place).only("durability").remedy?.contains("/dev/dax1.0") == true)
        try system.pmem(0, region: try system.region(0), device: "259:0")
        #expect(try report(place).only("durability").remedy?.contains("/dev/pmem0") == true)
        try system.mount(id: 3, device: "259:0", at: "/p\\040m", type: "xfs", source: "/dev/pmem0")
        #expect(
            try report(place).only("file-system").remedy
                == "pmemkv doctor '/p m'  # pmem0 is persistent memory and mounted there")
    }

    @Test("A disk that only looks like one is not advised")
    func noFalseElsewhere() throws {
        try system.mount(id: 1, device: "0:20", at: "/mnt", type: "tmpfs", source: "tmpfs")
        try system.file("/srv/content", "")
        try system.disk("zram0", device: "252:0")
        try system.mount(id: 2, device: "252:0", at: "/srv", type: "ext4", source: "/dev/zram0")
        #expect(try report(facts(on: (0, 20))).only("durability").remedy == nil)
    }

    @Test("File systems that cannot map are told apart from those that can")
    func mapping() throws {
        try disk(type: "btrfs")
        let other = try report(facts()).only("file-system")
        #expect(other.severity == .note && other.why.contains("only ext4 and XFS"))
        let system = try MadeUpSystem()
        try system.disk("sda1", device: "8:1")
        try system.mount(device: "8:1", at: "/mnt", type: "xfs", source: "/dev/sda1")
        let own = try system.report(system.file(on: .init(8, 1), isDAX: false))
            .only("file-system")
        #expect(own.severity == .ok && !own.why.contains("others"))
    }

    @Test("A file that may not be read, or not written")
    func rightsOfFile() throws {
        try disk()
        #expect(try report(facts()).only("access").severity == .ok)
        let hidden = report(facts(owner: geteuid(), mayRead: false, mayWrite: false))
        #expect(hidden.severity == .problem)
        #expect(try hidden.only("access").remedy == "chmod u+rw /mnt/store")
        let foreign = report(facts(owner: geteuid() + 1, mayRead: false, mayWrite: false))
        #expect(try foreign.only("access").remedy?.hasPrefix("sudo -u '#\(geteuid() + 1)'") == true)
        #expect(try report(facts(mayWrite: false)).only("access").severity == .warning)
    }

    @Test("A directory that may not be written, is read-only, or has no room: nothing to create")
    func rightsOfDirectory() throws {
        try disk()
        let closed = report(facts("/mnt", .directory, free: 1 << 40, mayWrite: false))
        #expect(try closed.only("access").severity == .problem)
        #expect(try closed.only("place").remedy == nil)
        let fixed = report(facts("/mnt", .directory, free: 1 << 40, isReadOnly: true))
        #expect(try fixed.only("file-system").severity == .problem)
        #expect(try fixed.only("place").remedy == nil && fixed.findings("access").isEmpty)
        let full = report(facts("/mnt", .directory, free: 40960))
        #expect(try full.only("file-system").severity == .problem)
        #expect(try full.only("file-system").what.contains("40 KiB free"))
        #expect(try full.only("place").remedy == nil)
    }

    @Test("What is advised to be created fits, and takes no name that is taken")
    func creation() throws {
        try disk()
        let roomy = report(facts("/mnt", .directory, free: 1 << 40))
        #expect(
            try roomy.only("place").remedy == "pmemkv create /mnt/store.pool --size 1GiB")
        try system.file("/mnt/my dir/store.pool", "")
        let narrow = report(facts("/mnt/my dir", .directory, free: 200 << 20))
        #expect(
            try narrow.only("place").remedy
                == "pmemkv create '/mnt/my dir/store2.pool' --size 128MiB")
    }

    @Test("Block devices: where they are mounted, and no file system on what forgets")
    func blockDevices() throws {
        func told(_ name: String, _ number: (UInt32, UInt32)) throws -> String? {
            try report(facts("/dev/" + name, .block, special: number)).only("place").remedy
        }
        try system.disk("loop0", device: "7:0")
        #expect(try told("loop0", (7, 0))?.contains("loop device") == true)
        try system.disk("ram0", device: "1:0")
        #expect(try told("ram0", (1, 0))?.contains("volatile, too") == true)
        let whole = try system.disk("sdb", device: "8:16")
        #expect(try told("sdb", (8, 16))?.contains("erases it") == true)
        try system.file(whole + "/sdb1/partition", "1")
        try system.link("/sys/dev/block/8:17", to: whole + "/sdb1")
        try system.file("/data/content", "")
        try system.mount(device: "8:17", at: "/data", type: "ext4", source: "/dev/sdb1")
        #expect(
            try told("sdb", (8, 16))
                == "pmemkv doctor /data  # where sdb1, which is made of it, is mounted")
        #expect(try told("ram0", (1, 0)) == "pmemkv doctor /data  # ext4 on /dev/sdb1")
    }

    /// Of a file with a slash behind its name the directory was said to be none: ". is no
    /// directory".
    @Test("Paths that cannot be: each says what is in the way")
    func paths() throws {
        try system.file("/file", "x")
        let base = system.directory
        try FileManager.default.createSymbolicLink(
            atPath: base + "/dangling", withDestinationPath: base + "/nothing")
        let long = String(repeating: "n", count: 300)
        for (path, reason) in [
            ("/file/below", "\(base)/file is no directory"), ("/dangling", "\(base)/nothing"),
            ("/file/", "\(base)/file is no directory"),
            ("/" + long, "too long"), ("/no/file", "\(base)/no exists"),
        ] {
            let refusal = try #require(PlaceFacts.inspect(path: base + path).refusal)
            #expect(refusal.reason.contains(reason) || refusal.reason.hasSuffix(reason))
        }
    }

    @Test("Memory that forgets is not advised to be used in another mode")
    func volatileSystemRAM() throws {
        let parent = "/sys/devices/platform/hmem.0"
        try system.driver(parent, "hmem", bus: "platform")
        try system.devdax("dax0.0", parent: parent, device: "252:0", driver: "kmem")
        let refusal = try #require(system.devdaxFacts("dax0.0").refusal)
        #expect(!refusal.remedy.contains("--mode=devdax"), "\(refusal)")
    }
}
