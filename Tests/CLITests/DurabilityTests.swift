// What the commands say of durability under libpmem's variables: `info`, which opens the pool, and
// `doctor`, which does not, tell the same, and `--require` acts on it.

import Testing

@Suite("Durability as the commands tell it")
struct DurabilityTests {
    /// Where /tmp is on a disk, a place that does not forget.
    let disk = Scratch(inMemory: false)
    let memory = Scratch()

    static let environments: [[String: String]] = [
        [:], ["PMEM_IS_PMEM_FORCE": "1"], ["PMEM_IS_PMEM_FORCE": "0"], ["PMEM_NO_FLUSH": "1"],
        ["PMEM_IS_PMEM_FORCE": "1", "PMEM_NO_FLUSH": "1"], ["PMEM_NO_FLUSH": "0"],
    ]

    /// The value of the first member with a name, as it stands in the text.
    private func member(_ name: String, of json: String) -> String? {
        guard let range = json.firstRange(of: "\"\(name)\":") else { return nil }
        return String(json[range.upperBound...].prefix { $0 != "," && $0 != "}" })
    }

    @Test("info and doctor agree", arguments: [true, false], ["auto", "mapped", "syscalls"])
    func agreement(inMemory: Bool, io: String) {
        let scratch = Scratch(inMemory: inMemory)
        let pool = scratch.pool()
        for environment in Self.environments {
            let info = Program.run(["info", pool, "--json", "--io", io], environment: environment)
            let doctor = Program.run(
                ["doctor", pool, "--json", "--io", io], environment: environment)
            #expect(info.status == 0 && !doctor.output.isEmpty, "\(info) \(doctor)")
            for name in ["strategy", "durable"] {
                let told = member(name, of: info.text)
                #expect(told != nil && told == member(name, of: doctor.text), "\(environment)")
            }
            let isVolatile = member("durable", of: info.text) == "false"
            #expect(doctor.status == (isVolatile ? 1 : 0), "\(doctor)")
        }
    }

    @Test("Forced: flush and fence, and nothing promised")
    func forced() {
        let pool = disk.pool()
        let environment = ["PMEM_IS_PMEM_FORCE": "1"]
        let info = Program.run(["info", pool, "--json"], environment: environment).text
        #expect(member("strategy", of: info) == "\"flush+fence\"")
        #expect(member("durable", of: info) == "false" && member("noFlush", of: info) == "false")
        #expect(info.contains("not durable: "))
        let doctor = Program.run(["doctor", pool, "--json"], environment: environment)
        #expect(member("strategy", of: doctor.text) == "\"flush+fence\"")
        #expect(doctor.status == 1 && doctor.text.contains("\"path\":\"never\""), "\(doctor)")
    }

    /// `create --force --require sync-dax` emptied the old pool, found the medium wanting and
    /// failed: neither the old pool nor a new one was there.
    @Test(
        "What is required is looked at before anything changes", arguments: ["sync-dax", "durable"])
    func requirementBeforeChange(requirement: String) {
        let pool = memory.pool("pool", [("a", "1")])
        let outcome = Program.run(
            "create", pool, "--force", "--size", "1MiB", "--require", requirement)
        #expect(outcome.status == 74 && outcome.diagnostics.contains("tmpfs"), "\(outcome)")
        #expect(Program.run("get", pool, "a").text == "1")
        let new = memory.file("new")
        #expect(Program.run("create", new, "--require", requirement).status == 74)
        let source = disk.pool()
        let copy = Program.run("backup", source, new, "--require", requirement)
        #expect(copy.status == 74, "\(copy)")
        #expect(Program.shell("test -e '\(new)'").status == 1)
    }

    @Test("Every command refuses a pool in memory where durability is required")
    func requiredOfAll() {
        let pool = memory.pool("pool", [("a", "1")])
        for command in [
            ["put", pool, "b", "2"], ["get", pool, "a"], ["delete", pool, "a"],
            ["exists", pool, "a"], ["count", pool], ["scan", pool], ["dump", pool], ["load", pool],
            ["shell", pool], ["stat", pool], ["info", pool], ["check", pool], ["compact", pool],
            ["backup", pool, pool + ".copy"], ["repair", pool, "--to", pool + ".copy"],
        ] {
            let outcome = Program.run(command + ["--require", "durable"])
            #expect(outcome.status == 74, "\(command) \(outcome)")
            #expect(outcome.diagnostics.contains("not known to be durable"), "\(outcome)")
        }
        #expect(Program.run("count", pool).text == "1\n")
    }

    @Test("A medium that is durable is accepted, by every command that reads and by a write")
    func requirementMet() {
        let pool = disk.pool()
        let isDurable = member("durable", of: Program.run("info", pool, "--json").text) == "true"
        for command in [["put", pool, "a", "1"], ["count", pool], ["check", pool]] {
            let outcome = Program.run(command + ["--require", "durable"])
            #expect(outcome.status == (isDurable ? 0 : 74), "\(outcome)")
        }
    }

    /// Whether an overlay of one's own can be mounted here.
    static let canOverlay: Bool = overlaid("true").status == 0

    /// Runs a line of shell where /mnt/o is an overlay with its upper directory /mnt/t/u in tmpfs.
    private static func overlaid(_ line: String) -> Outcome {
        Program.run(
            program: [
                "/usr/bin/unshare", "-m", "/bin/sh", "-c",
                """
                mount -t tmpfs none /mnt && mkdir /mnt/t /mnt/o && mount -t tmpfs none /mnt/t &&
                mkdir /mnt/t/l /mnt/t/u /mnt/t/w && mount -t overlay none /mnt/o \\
                    -o lowerdir=/mnt/t/l,upperdir=/mnt/t/u,workdir=/mnt/t/w || exit 99
                \(line)
                """,
            ])
    }

    /// An overlay over tmpfs was called durable. A directory that has the name of the upper one in
    /// this namespace, and is another, must not make it so again.
    @Test("A real overlay is what its upper directory is", .enabled(if: canOverlay))
    func overlay() {
        let info = "'\(Program.pmemkv)' info /mnt/o/p --json"
        let create = "'\(Program.pmemkv)' create /mnt/o/p --size 1MiB"
        let seen = Self.overlaid("\(create); \(info)")
        #expect(member("durable", of: seen.text) == "false", "\(seen)")
        let hidden = Self.overlaid("\(create); mount -t tmpfs none /mnt/t; \(info)")
        #expect(member("durable", of: hidden.text) == "null", "\(hidden)")
        // The other directory is younger: the clock that the kernel takes such times from moves on
        // every few milliseconds.
        let other = Self.overlaid(
            "\(create); sleep 0.1; mount --bind '\(disk.path)' /mnt/t; mkdir /mnt/t/u; \(info)")
        #expect(member("durable", of: other.text) == "null", "\(other)")
    }

    @Test("Without flushes: info sees it, and --require sync-dax refuses")
    func unflushed() {
        let pool = disk.pool()
        let environment = ["PMEM_IS_PMEM_FORCE": "1", "PMEM_NO_FLUSH": "1"]
        let info = Program.run(["info", pool, "--json"], environment: environment).text
        #expect(member("noFlush", of: info) == "true" && member("durable", of: info) == "false")
        #expect(member("strategy", of: info) == "\"fence\"")
        #expect(info.contains("PMEM_NO_FLUSH=1 leaves writes in the processor's caches"), "\(info)")
        let put = Program.run(
            ["put", pool, "key", "value", "--require", "sync-dax"], environment: environment)
        #expect(put.status == 74 && put.diagnostics.contains("PMEM_NO_FLUSH=1"), "\(put)")
        #expect(Program.run("count", pool).text == "0\n")
    }
}
