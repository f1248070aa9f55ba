// Each command on a sound pool: output to the letter, exit status, and nothing else said.

import Testing

@Suite("Commands")
struct CommandTests {
    let scratch = Scratch()

    @Test("A value comes back byte for byte, without a newline")
    func putAndGet() {
        let pool = scratch.pool()
        #expect(Program.run("put", pool, "key", "value").status == 0)
        let got = Program.run("get", pool, "key")
        #expect(got.status == 0 && got.text == "value" && got.diagnostics.isEmpty, "\(got)")
        let value = (0...255).map { UInt8($0) } + [10, 10]
        #expect(Program.run("put", pool, "bytes", "-", input: value).status == 0)
        #expect(Program.run("get", pool, "bytes").output == value)
        #expect(Program.run("put", pool, "bytes", input: [0]).status == 0)
        #expect(Program.run("get", pool, "bytes").output == [0])
        #expect(Program.run("put", pool, "bytes", input: []).status == 0)
        #expect(Program.run("get", pool, "bytes").output == [])
    }

    @Test("With --hex arguments and output are hexadecimal, standard input is not")
    func hex() {
        let pool = scratch.pool()
        #expect(Program.run("put", pool, "00fF", "0a", "--hex").status == 0)
        #expect(Program.run("put", pool, "01", "--hex", input: [0x30]).status == 0)
        #expect(Program.run("get", pool, "00ff", "--hex").text == "0a")
        #expect(Program.run("get", pool, "01", "--hex").text == "30")
        #expect(Program.run("scan", pool, "--hex").text == "00ff\t0a\n01\t30\n")
        #expect(Program.run("exists", pool, "--hex", "00ff").status == 0)
        #expect(Program.run("delete", pool, "--hex", "00ff").status == 0)
        #expect(Program.run("exists", pool, "--hex", "00ff").status == 1)
        for wrong in ["0", "0g", "0x00"] {
            let outcome = Program.run("get", pool, "--hex", wrong)
            #expect(outcome.status == 64, "\(outcome)")
            #expect(outcome.diagnostics.contains("'\(wrong)' is not hexadecimal"))
        }
    }

    @Test("A key that is not there: exit status 1, nothing on standard output")
    func noSuchKey() {
        let pool = scratch.pool("pool", [("here", "1")])
        for command in ["get", "delete"] {
            let outcome = Program.run(command, pool, "nowhere")
            #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome)")
            #expect(outcome.diagnostics == "pmemkv: no such key\n")
        }
        let missing = Program.run("exists", pool, "nowhere")
        #expect(missing.status == 1 && missing.output.isEmpty && missing.diagnostics.isEmpty)
        let there = Program.run("exists", pool, "here")
        #expect(there.status == 0 && there.output.isEmpty && there.diagnostics.isEmpty)
        #expect(Program.run("delete", pool, "here").status == 0)
        #expect(Program.run("delete", pool, "here").status == 1)
    }

    @Test("Scans are in bytewise order and honour every bound")
    func scan() {
        let keys = ["a", "ab", "abc", "b", "B", "ä", "b\tc"]
        let pool = scratch.pool("pool", keys.map { ($0, "v\($0)") })
        func scan(_ options: String...) -> [String] {
            let outcome = Program.run(["scan", pool, "--keys-only"] + options)
            #expect(outcome.status == 0, "\(outcome)")
            return outcome.text.split(separator: "\n").map(String.init)
        }
        #expect(scan() == ["B", "a", "ab", "abc", "b", "b\\tc", "ä"])
        #expect(scan("--reverse") == ["ä", "b\\tc", "b", "abc", "ab", "a", "B"])
        #expect(scan("--prefix", "ab") == ["ab", "abc"])
        #expect(scan("--from", "ab", "--to", "b") == ["ab", "abc"])
        #expect(scan("--prefix", "a", "--from", "ab", "--reverse") == ["abc", "ab"])
        #expect(scan("--limit", "2") == ["B", "a"])
        #expect(scan("--limit", "2", "--reverse") == ["ä", "b\\tc"])
        #expect(scan("--limit", "0") == [])
        #expect(Program.run("scan", pool, "--limit", "1").text == "B\tvB\n")
        #expect(
            Program.run("scan", pool, "--json", "--limit", "1").text
                == "{\"schema\":1,\"key\":\"Qg==\",\"value\":\"dkI=\"}\n")
        #expect(
            Program.run("scan", pool, "--json", "--limit", "1", "--keys-only").text
                == "{\"schema\":1,\"key\":\"Qg==\"}\n")
        #expect(Program.run("scan", pool, "--limit", "-1").status == 64)
        #expect(Program.run("scan", pool, "--json", "--hex").status == 64)
    }

    @Test("count prints one number")
    func count() {
        let pool = scratch.pool("pool", [("a", "1"), ("b", "2"), ("a", "3")])
        let outcome = Program.run("count", pool)
        #expect(outcome.status == 0 && outcome.text == "2\n" && outcome.diagnostics.isEmpty)
    }

    @Test("info and stat, for people and for programs")
    func facts() {
        let pool = scratch.pool("pool", [("a", "1")])
        let info = Program.run("info", pool)
        #expect(info.status == 0 && info.diagnostics.isEmpty, "\(info)")
        #expect(info.text.contains("strategy:"))
        let json = Program.run("info", pool, "--json").text
        #expect(json.hasPrefix("{\"schema\":1,\"path\":\"\(pool)\",\"kind\":\""), "\(json)")
        #expect(json.contains("\"poolBytes\":1048576,") && json.contains("\"keys\":1,"))
        let stat = Program.run("stat", pool)
        #expect(stat.status == 0 && stat.text.hasPrefix("keys:"), "\(stat)")
        #expect(Program.run("stat", pool, "--json").text.hasPrefix("{\"schema\":1,\"keys\":1,"))
    }

    @Test("The strategy that was asked for is in force, and its name is told")
    func strategies() {
        let pool = scratch.pool("pool", [("a", "1")])
        #expect(Program.run("info", pool, "--io", "syscalls").text.contains("syscalls"))
        #expect(Program.run("put", pool, "b", "2", "--io", "syscalls").status == 0)
        #expect(Program.run("get", pool, "b", "--io", "mapped").text == "2")
        #expect(Program.run("get", pool, "b", "--io", "syscalls").text == "2")
        let forced = Program.run(
            ["info", pool, "--json"], environment: ["PMEM_IS_PMEM_FORCE": "1"])
        #expect(forced.text.contains("\"strategy\":\"flush+fence\""), "\(forced)")
        #expect(forced.text.contains("\"durable\":false"), "\(forced)")
        let put = Program.run(
            ["put", pool, "c", "3"], environment: ["PMEM_IS_PMEM_FORCE": "1"])
        #expect(put.status == 0, "\(put)")
        #expect(Program.run("get", pool, "c").text == "3")
    }

    @Test("check, compact, backup and repair of a sound pool")
    func maintenance() {
        let pool = scratch.pool("pool", [("a", "1"), ("b", "2"), ("a", "3")])
        let check = Program.run("check", pool)
        #expect(
            check.status == 0 && check.text.hasSuffix(" sound records, no damage\n"), "\(check)")
        #expect(Program.run("check", pool, "--json").text.hasPrefix("{\"schema\":1,"))
        #expect(Program.run("compact", pool).status == 0)
        let dump = Program.run("dump", pool).text
        let backup = Program.run("backup", pool, scratch.file("backup"))
        #expect(backup.status == 0, "\(backup)")
        #expect(Program.run("dump", scratch.file("backup")).text == dump)
        #expect(Program.run("backup", pool, scratch.file("backup")).status == 73)
        let repair = Program.run("repair", pool, "--to", scratch.file("repaired"))
        #expect(repair.status == 0 && repair.text == "2 keys saved, nothing lost\n", "\(repair)")
        #expect(Program.run("dump", scratch.file("repaired")).text == dump)
        #expect(Program.run("repair", pool).status == 64)
        #expect(Program.run("repair", pool, "--replace").status == 0)
        #expect(Program.run("dump", pool).text == dump)
    }

    @Test("Commands that only read change no byte, of an unclean pool neither")
    func readingChangesNothing() {
        let pool = scratch.pool("pool", [("a", "1")])
        let shell = ShellProcess(pool)
        #expect(shell.ask("put b 2") == "OK")
        shell.kill()
        let before = Bytes.read(pool)
        #expect(Program.run("get", pool, "b").text == "2")
        for command in ["info", "count", "scan", "dump", "stat", "check"] {
            let outcome = Program.run(command, pool)
            #expect(outcome.status == 0, "\(command): \(outcome)")
        }
        #expect(Program.run("exists", pool, "b").status == 0)
        #expect(Bytes.read(pool) == before)
    }

    @Test("Completion scripts and help")
    func help() {
        for shell in ["bash", "zsh", "fish"] {
            let script = Program.run("--generate-completion-script", shell)
            #expect(script.status == 0 && script.text.contains("pmemkv"), "\(script)")
        }
        let help = Program.run("--help")
        #expect(help.status == 0 && help.text.contains("SUBCOMMANDS:"), "\(help)")
        for command in [
            "create", "info", "doctor", "put", "get", "delete", "exists", "count", "scan", "load",
            "dump", "shell", "stat", "check", "repair", "compact", "backup",
        ] {
            let outcome = Program.run(command, "--help")
            #expect(outcome.status == 0 && outcome.text.contains("USAGE: pmemkv \(command) "))
        }
    }
}
