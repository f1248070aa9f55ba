// What the doctor says of NUMA nodes and kernels.

import PmemPlaces
import Testing

@Suite("Doctor: machine")
struct DoctorMachineTests {
    let system: MadeUpSystem

    init() throws {
        system = try MadeUpSystem()
    }

    private func report(node: Int, targetNode: Int? = nil) throws -> PlaceReport {
        let region = try system.region(0, node: node, targetNode: targetNode)
        try system.pmem(0, region: region, device: "259:0")
        return system.report(try system.daxFile())
    }

    @Test("The process on the device's node, elsewhere, and on several nodes")
    func numa() throws {
        try system.nodes([0: "0-3", 1: "4-7"], allowed: "4-5,7")
        let near = try report(node: 1).only("numa")
        #expect(near.severity == .ok)
        #expect(near.values["device-node"] == .number(1))
        #expect(near.values["process-nodes"] == .list(["1"]))
        try system.file("/proc/self/status", "Cpus_allowed_list:\t0-3")
        let far = system.report(try system.daxFile())
        #expect(try far.only("numa").severity == .warning)
        #expect(
            try far.only("numa").remedy == "numactl --cpunodebind=1 --preferred=1 COMMAND")
        try system.file("/proc/self/status", "Cpus_allowed_list:\t0-7")
        #expect(try system.report(try system.daxFile()).only("numa").severity == .note)
    }

    @Test("A node without processors is served by the nearest one")
    func memoryOnlyNode() throws {
        try system.nodes([0: "0-3", 1: "4-7", 2: ""], allowed: "0-3")
        try system.file("/sys/devices/system/node/node2/distance", "28 17 10")
        let finding = try report(node: 2).only("numa")
        #expect(finding.severity == .warning)
        #expect(finding.what.contains("nearest to node 1"))
        #expect(NodeFacts(root: system.root).distance(to: 2) == nil)
        try system.file("/sys/devices/system/node/node0/distance", "10 21 28")
        #expect(NodeFacts(root: system.root).distance(to: 2) == 28)
        #expect(finding.remedy?.contains("--cpunodebind=1") == true)
    }

    @Test("HMAT figures of the memory's own node, of its host node, and none")
    func speed() throws {
        #expect(try report(node: 0, targetNode: 2).only("hmat").values["node"] == .unknown)
        let host = "/sys/devices/system/node/node0/access0/initiators"
        try system.file(host + "/read_latency", "80")
        #expect(try system.report(try system.daxFile()).only("hmat").severity == .note)
        let own = "/sys/devices/system/node/node2/access0/initiators"
        try system.file(own + "/read_latency", "350")
        try system.file(own + "/write_latency", "0")
        try system.file(own + "/read_bandwidth", "30000")
        try system.file(own + "/write_bandwidth", "9000")
        try system.makeDirectory(own + "/node0")
        let finding = try system.report(try system.daxFile()).only("hmat")
        #expect(finding.severity == .ok)
        #expect(finding.values["node"] == .number(2))
        #expect(finding.values["read-latency-ns"] == .number(350))
        #expect(finding.values["write-latency-ns"] == .unknown)
        #expect(finding.values["write-bandwidth-mibs"] == .number(9000))
        #expect(finding.values["initiators"] == .list(["0"]))
    }

    @Test(
        "Which kernels have the hardened-usercopy bypass",
        arguments: [
            ("6.1.0-56-amd64", true), ("5.2.0", true), ("5.10", true), ("5.2-rc1", true),
            ("5.1.6-arch1", true), ("5.1.5-generic", false), ("5.1.0", false), ("5.0.20", true),
            ("5.0.19", false), ("5.0", false), ("4.20.17", false), ("4.20.0", false),
            ("4.19.0", false), ("4.19.46", false), ("4.19.47", nil), ("4.19.300", nil),
            ("4.18.0-80.el8", false), ("4.17.19", false), ("4.16.18", false), ("4.15.0-213", false),
            ("4.14.336", true), ("4.14.123", true), ("4.14.122", false), ("4.14.0", false),
            ("4.13.16", nil), ("4.9.300", nil), ("3.10.0-1160.el7.x86_64", nil),
            ("unreadable", nil),
        ] as [(String, Bool?)])
    func bypass(release: String, expected: Bool?) throws {
        try system.kernel(release)
        #expect(KernelFacts(root: system.root).hasUsercopyBypass == expected)
        let finding = try report(node: 0).only("kernel")
        #expect(
            finding.values["usercopy-bypass"] == expected.map(PlaceReport.Value.flag)
                ?? .unknown)
        #expect(finding.severity == (expected == true ? .ok : expected == false ? .warning : .note))
    }

    @Test(
        "The hardened-usercopy setting: configuration, then command line",
        arguments: [
            ("CONFIG_HARDENED_USERCOPY=y", "quiet", "on"),
            ("CONFIG_HARDENED_USERCOPY=y", "hardened_usercopy=off", "off"),
            ("CONFIG_HARDENED_USERCOPY=y", "hardened_usercopy=off hardened_usercopy=1", "on"),
            ("# CONFIG_HARDENED_USERCOPY is not set", "hardened_usercopy=on", "not built"),
            (
                "CONFIG_HARDENED_USERCOPY=y\n# CONFIG_HARDENED_USERCOPY_DEFAULT_ON is not set",
                "", "off"
            ),
            (
                "CONFIG_HARDENED_USERCOPY=y\n# CONFIG_HARDENED_USERCOPY_DEFAULT_ON is not set",
                "hardened_usercopy=on", "on"
            ),
            ("CONFIG_OTHER=y", "", "not built"),
            (nil, "quiet", "unknown"),
            (nil, "hardened_usercopy=off", "off"),
        ] as [(String?, String, String)])
    func usercopy(config: String?, commandLine: String, expected: String) throws {
        try system.kernel("5.1.0", commandLine: commandLine, config: config)
        #expect(KernelFacts(root: system.root).usercopy.rawValue == expected)
        let setting = try report(node: 0).only("hardened-usercopy").values["setting"]
        #expect(setting == .text(expected == "not built" ? "off" : expected))
    }

    @Test("The kernel's own configuration is uncompressed, and believed before the file beside it")
    func ownConfiguration() throws {
        try system.kernel("5.1.0", config: "CONFIG_OTHER=y")
        try system.compressedFile(
            "/proc/config.gz",
            "CONFIG_HARDENED_USERCOPY=y\n# CONFIG_HARDENED_USERCOPY_DEFAULT_ON is not set\n")
        let own = KernelFacts(root: system.root)
        #expect(own.usercopy == .off && own.usercopySource == "/proc/config.gz")
        // What is no longer a compressed file is not half believed.
        try system.damage("/proc/config.gz")
        let other = KernelFacts(root: system.root)
        #expect(other.usercopy == .notBuilt && other.usercopySource == "/boot/config-5.1.0")
    }

    @Test("The check matters only where it is on and the bypass is missing")
    func usercopySeverity() throws {
        let config = "CONFIG_HARDENED_USERCOPY=y"
        try system.kernel("5.1.0", config: config)
        let old = try report(node: 0).only("hardened-usercopy")
        #expect(old.severity == .warning)
        #expect(old.remedy?.contains("hardened_usercopy=off") == true)
        try system.kernel("6.1.0", config: config)
        #expect(try system.report(try system.daxFile()).only("hardened-usercopy").severity == .ok)
    }

    @Test("An empty system gives no errors and claims nothing")
    func emptySystem() throws {
        let facts = system.file(on: .init(259, 0), isDAX: nil)
        let report = system.report(facts, .untried("it was not asked"))
        #expect(report.severity == .warning)
        #expect(try report.only("durability").values["durable"] == .unknown)
        #expect(try report.only("kernel").values["release"] == .unknown)
        #expect(try report.only("file-system").values["type"] == .unknown)
        #expect(try report.only("dax").values["dax"] == .unknown)
    }
}
