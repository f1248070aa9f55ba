// What the command says: of words that are wrong, of pools that are not as they should be, of what
// it has done, and to where.

import Testing

@Suite("What the command says")
struct WordsTests {
    let scratch = Scratch()

    /// `del notes k` was answered with "3 unexpected arguments", as if the arguments were wrong.
    @Test("set, del and ls are put, delete and scan; another unknown word gets the nearest command")
    func commandWords() {
        let pool = scratch.pool()
        #expect(Program.run("set", pool, "k", "v").status == 0)
        #expect(Program.run("ls", pool).text == "k\tv\n")
        #expect(Program.run("del", pool, "k").status == 0)
        #expect(Program.run("count", pool).text == "0\n")
        for (wrong, right) in [("gte", "get"), ("deletee", "delete"), ("Scan", "scan")] {
            let outcome = Program.run(wrong, pool, "k")
            #expect(outcome.status == 64, "\(outcome)")
            #expect(outcome.diagnostics.contains("no command '\(wrong)'; did you mean '\(right)'?"))
        }
        let strange = Program.run("frobnicate")
        #expect(strange.status == 64 && !strange.diagnostics.contains("mean"), "\(strange)")
        let version = Program.run("--version")
        #expect(version.status == 0 && version.text.hasPrefix("pmemkv "), "\(version)")
    }

    /// "Unknown option '-5'" left the user alone with a key or a value that begins so.
    @Test("A value that begins with '-' is told where to stand, and can stand there")
    func leadingDashes() {
        let pool = scratch.pool()
        let put = Program.run("put", pool, "k", "-5")
        #expect(put.status == 64 && put.diagnostics.contains("-- KEY -5"), "\(put)")
        #expect(Program.run("put", pool, "--", "k", "-5").status == 0)
        let scan = Program.run("scan", pool, "--from", "-5")
        #expect(scan.status == 64 && scan.diagnostics.contains("--from=-5"), "\(scan)")
        #expect(Program.run("scan", pool, "--from=-5").text == "k\t-5\n")
    }

    /// Escape sequences of a key, a path or a wrong word reached the terminal, where they are
    /// commands; a line end in them made a line of its own.
    @Test("Control characters are escaped, wherever the word stood")
    func controlCharacters() {
        let word = "x\u{1B}[31m\n\u{9B}y"
        let pool = scratch.pool()
        let lines = [
            [word], ["get", word, "k"], ["get", pool, "k", word], ["get", pool, "--" + word, "k"],
            ["create", scratch.file("new"), "--size", word], ["get", pool, "k", "--io", word],
            ["get", pool, "--hex", word], ["scan", pool, "--limit", word], ["load", pool, word],
            ["backup", pool, "/no/such/" + word], ["create", "/no/such/" + word],
        ]
        for line in lines {
            let outcome = Program.run(line)
            let said = outcome.diagnostics
            #expect(outcome.status != 0 && said.contains("x\\x1b[31m\\n\\xc2\\x9by"), "\(outcome)")
            #expect(!said.contains("\u{1B}") && !said.contains("\u{9B}"), "\(line)")
            #expect(!said.contains("x\u{1B}[31m\n"), "\(line)")
        }
        let shell = ShellProcess(pool)
        let reply = shell.ask("\u{1B}[31m")
        #expect(reply?.contains("unknown command '\\x1b[31m'") == true)
        _ = shell.end()
        let named = scratch.pool("p\u{1B}[31m")
        for command in ["info", "check", "doctor"] {
            let outcome = Program.run(command, named)
            #expect(outcome.text.contains("p\\x1b[31m") && !outcome.text.contains("\u{1B}"))
        }
    }

    @Test("Sizes in every spelling, and a bad one is told the units")
    func sizes() {
        for size in ["2M", "2mb", "2MiB", "2097152", "0.001953125GiB", "2048k", "2097152B"] {
            let pool = scratch.file("pool \(size)")
            #expect(Program.run("create", pool, "--size", size).status == 0, "\(size)")
            let info = Program.run("info", pool, "--json").text
            #expect(info.contains("\"poolBytes\":2097152,"), "\(size): \(info)")
        }
        let wrong = Program.run("create", scratch.file("new"), "--size", "64 cats")
        #expect(wrong.status == 64 && wrong.diagnostics.contains("K, M, G or T"), "\(wrong)")
    }

    /// Help, version, and doctor's report wrote to a full disk and claimed to be done.
    @Test("An output that takes no more ends every command that has one with 74")
    func fullOutput() {
        let pool = scratch.pool("pool", [("k", "v")])
        let commands = [
            "--help", "--version", "help get", "get --help", "--generate-completion-script bash",
            "doctor '\(pool)'", "doctor '\(pool)' --json", "info '\(pool)'", "stat '\(pool)'",
            "check '\(pool)'", "scan '\(pool)' --json", "count '\(pool)'", "dump '\(pool)'",
            "get '\(pool)' k", "repair '\(pool)' --to '\(scratch.file("repaired"))'",
        ]
        for command in commands {
            let outcome = Program.shell("pmemkv \(command) > /dev/full")
            #expect(outcome.status == 74, "\(command): \(outcome)")
            #expect(outcome.diagnostics.contains("No space left on device"), "\(command)")
        }
        let shell = Program.shell("echo count | pmemkv shell '\(pool)' > /dev/full")
        #expect(shell.status == 74, "\(shell)")
    }

    @Test("Long commands sum up on standard error, and --quiet keeps them still")
    func summaries() {
        let pool = scratch.file("pool")
        let create = Program.run("create", pool, "--size", "1MiB")
        #expect(create.output.isEmpty && create.diagnostics.contains("created \(pool): 1 MiB"))
        #expect(Program.run("put", pool, "k", "v").diagnostics.isEmpty)
        let dump = Program.run("dump", pool)
        #expect(dump.text.hasSuffix("DATA=END\n"))
        #expect(dump.diagnostics == "pmemkv: 1 record written\n")
        let load = Program.run("load", pool, input: dump.output)
        #expect(load.output.isEmpty && load.diagnostics == "pmemkv: 1 record stored\n", "\(load)")
        let compact = Program.run("compact", pool)
        #expect(compact.output.isEmpty && compact.diagnostics.contains("segments are free"))
        let backup = scratch.file("backup")
        let copied = Program.run("backup", pool, backup)
        #expect(copied.output.isEmpty, "\(copied)")
        #expect(copied.diagnostics == "pmemkv: 1 key copied to \(backup)\n")
        for command in [
            ["create", scratch.file("other"), "--size", "1MiB"], ["load", pool, scratch.file("d")],
            ["compact", pool], ["dump", pool], ["backup", pool, scratch.file("again")],
        ] {
            Bytes.write(dump.output, to: scratch.file("d"))
            let outcome = Program.run(command + ["--quiet"])
            #expect(outcome.status == 0, "\(outcome)")
            #expect(!outcome.diagnostics.contains("record"), "\(outcome)")
            #expect(!outcome.diagnostics.contains("created"), "\(outcome)")
            #expect(!outcome.diagnostics.contains("free"), "\(outcome)")
            #expect(!outcome.diagnostics.contains("copied"), "\(outcome)")
        }
    }

    @Test("stat tells how full a pool is")
    func space() {
        let pool = scratch.pool("pool", size: "2MiB", [("a", "1"), ("a", "2")])
        let stat = Program.run("stat", pool).text
        for label in ["used bytes:", "free bytes:", "reclaimable bytes:", "used percent:"] {
            #expect(stat.contains(label), "\(stat)")
        }
        let half = [UInt8](repeating: 1, count: 1 << 20)
        #expect(Program.run("put", pool, "b", input: half).status == 0)
        let json = Program.run("stat", pool, "--json").text
        #expect(json.contains("\"usedPercent\":51."), "\(json)")
    }

    /// Who came too late was told that somebody was there, and not who.
    @Test("A locked pool names the process that holds it")
    func holder() {
        let pool = scratch.pool()
        let shell = ShellProcess(pool)
        #expect(shell.ask("count") == "(integer) 0")
        let outcome = Program.run("get", pool, "k")
        #expect(outcome.status == 75, "\(outcome)")
        #expect(
            outcome.diagnostics.contains("in use by process \(shell.process) (pmemkv)"),
            "\(outcome)")
        #expect(shell.end() == 0)
    }

    @Test("Bytes behind the pool are noticed, and are no damage")
    func grown() {
        let pool = scratch.pool("pool", [("k", "v")])
        #expect(Program.run("info", pool, "--json").text.contains("\"unusedBytes\":0,"))
        Bytes.write(Bytes.read(pool) + [UInt8](repeating: 0, count: 5000), to: pool)
        let info = Program.run("info", pool)
        #expect(info.text.contains("5000 bytes behind the pool, not used"), "\(info)")
        let check = Program.run("check", pool)
        #expect(check.status == 0, "\(check)")
        #expect(check.text.contains("5000 bytes behind the pool, not used"), "\(check)")
        #expect(Program.run("check", pool, "--json").text.contains("\"unusedBytes\":5000,"))
    }

    /// The message of a truncated pool ended with what was wrong; repair alone refuses such a file.
    @Test("A truncated pool is told how to be repaired, and that works")
    func truncated() {
        let pool = scratch.pool("my pool", size: "1MiB", [("k", "v")])
        Bytes.write(Array(Bytes.read(pool).prefix(600_000)), to: pool)
        let got = Program.run("get", pool, "k")
        let remedy = "truncate -s 1048576 '\(pool)'"
        #expect(got.status == 65 && got.diagnostics.contains("(\(remedy))"), "\(got)")
        #expect(Program.shell(remedy).status == 0)
        let repaired = scratch.file("repaired")
        #expect(Program.run("repair", pool, "--to", repaired).status == 0)
        #expect(Program.run("get", repaired, "k").text == "v")
    }

    /// A pool whose superblocks were damaged was to be lengthened to the four billion bytes that a
    /// damaged one spoke of.
    @Test("A length is no advice when the superblock that states it is damaged")
    func damagedSize() {
        let pool = scratch.pool("pool", size: "1MiB", [("k", "v")])
        var bytes = Bytes.read(pool)
        for copy in 0..<2 { bytes[copy * 4096 + 44] ^= 1 }
        Bytes.write(bytes, to: pool)
        let check = Program.run("check", pool)
        #expect(check.status == 65, "\(check)")
        #expect(check.diagnostics.contains("the superblock is damaged"), "\(check)")
        #expect(!check.diagnostics.contains("truncate -s"), "\(check)")
    }

    /// Who pasted a command from a message got another one when the path had a blank in it.
    @Test("Commands in messages take a path with blanks as one word")
    func pasted() {
        let pool = scratch.file("my pool")
        let missing = Program.run("put", pool, "k", "v")
        #expect(missing.status == 66, "\(missing)")
        #expect(missing.diagnostics.hasSuffix("(pmemkv create '\(pool)')\n"), "\(missing)")
        let lost = Program.run("create", scratch.file("no such/pool"))
        #expect(lost.status == 73, "\(lost)")
        #expect(lost.diagnostics.hasSuffix("mkdir -p '\(scratch.file("no such"))'\n"), "\(lost)")
        let refused = Program.run("create", pool, "--require", "sync-dax")
        #expect(refused.status == 74, "\(refused)")
        #expect(refused.diagnostics.contains("(pmemkv doctor '\(pool)')"), "\(refused)")
    }

    /// Who wanted to copy or save a pool, and misspelt its path, was to make an empty one.
    @Test("Who reads a pool that is not there is not told to make one")
    func missingSource() {
        let pool = scratch.file("missing")
        for command in [
            ["backup", pool, scratch.file("copy")], ["repair", pool, "--replace"],
            ["get", pool, "k"],
        ] {
            let outcome = Program.run(command)
            #expect(outcome.status == 66, "\(outcome)")
            #expect(
                outcome.diagnostics == "pmemkv: no pool at \(pool); check the spelling\n",
                "\(outcome)")
        }
    }

    /// Help on an unknown command was general help and a success; a wrong limit and two options
    /// that exclude each other got no reason, a size too large was told how sizes are written.
    @Test("Wrong words are told what is wrong with them")
    func reasons() {
        let pool = scratch.pool()
        let new = scratch.file("new")
        for (command, reason) in [
            (["help", "gte"], "no command 'gte'; did you mean 'get'?"),
            (["repair", pool, "--to", new, "--replace"], "exclude each other"),
            (["create", new, "--size", "99999999999999999999"], "too large"),
            (["create", new, "--size", "8388608T"], "too large"),
            (["scan", pool, "--limit", "x"], "a whole number"),
            (["scan", pool, "--limit=-1"], "a whole number"),
        ] {
            let outcome = Program.run(command)
            #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
            #expect(outcome.diagnostics.contains(reason), "\(outcome)")
        }
        #expect(Program.run("help", "get").text.contains("USAGE: pmemkv get"))
    }

    /// A size that was too small was told as a disk without space.
    @Test("The system's words do not follow a message that has said it all")
    func causes() {
        let pool = scratch.pool("pool", size: "8MiB")
        let value = [UInt8](repeating: 1, count: 1 << 20)
        for key in ["a", "b", "c"] {
            #expect(Program.run("put", pool, key, input: value).status == 0)
        }
        for command in [
            ["repair", pool, "--to", scratch.file("new"), "--size", "1MiB"],
            ["backup", pool, scratch.file("new"), "--size", "1MiB"],
        ] {
            let outcome = Program.run(command)
            #expect(outcome.status == 28, "\(outcome)")
            #expect(!outcome.diagnostics.contains("No space left on device"), "\(outcome)")
        }
    }

    /// backup and repair spoke of overwriting, and users looked for a --force that is not there.
    @Test("What exists already is told in the words of the command")
    func existing() {
        let pool = scratch.pool()
        let other = scratch.pool("other")
        for command in [["backup", pool, other], ["repair", pool, "--to", other]] {
            let outcome = Program.run(command)
            #expect(outcome.status == 73, "\(outcome)")
            #expect(outcome.diagnostics.contains("\(other) already exists"), "\(outcome)")
            #expect(outcome.diagnostics.contains("another name"), "\(outcome)")
            #expect(!outcome.diagnostics.contains("force"), "\(outcome)")
        }
        let create = Program.run("create", pool)
        #expect(create.status == 73 && create.diagnostics.contains("--force"), "\(create)")
    }

    /// A pool in memory took writes from a user at a terminal who never learnt that it forgets.
    @Test("A writer at a terminal is told when the medium is volatile, a script is not")
    func volatileMedium() {
        let pool = scratch.pool()
        let note = "note: \(pool) is not durable"
        let script = Program.run(["put", pool, "k", "v"], environment: ["PMEM_IS_PMEM_FORCE": "1"])
        #expect(script.status == 0 && script.diagnostics.isEmpty, "\(script)")
        for command in ["put '\(pool)' k v", "load '\(pool)' -q '\(scratch.file("d"))'"] {
            Bytes.write(Program.run("dump", pool).output, to: scratch.file("d"))
            let line = "PMEM_IS_PMEM_FORCE=1 '\(Program.pmemkv)' \(command)"
            let terminal = Program.run(
                program: ["/usr/bin/script", "-qec", line, "/dev/null"])
            #expect(terminal.status == 0 && terminal.text.contains(note), "\(terminal)")
        }
    }
}
