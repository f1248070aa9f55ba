// What is wrong with a pool, a place or an argument gives the right exit status and a message
// that a person understands: never a trap, never a hang, never a word on standard output.

import Glibc
import PmemKVText
import Testing

@Suite("Failures")
struct FailureTests {
    let scratch = Scratch()

    /// Every command that opens a pool, with arguments that would do in a sound one.
    private func commands(_ pool: String) -> [[String]] {
        [
            ["info", pool], ["put", pool, "k", "v"], ["get", pool, "k"], ["delete", pool, "k"],
            ["exists", pool, "k"], ["count", pool], ["scan", pool], ["load", pool],
            ["dump", pool], ["shell", pool], ["stat", pool], ["check", pool],
            ["compact", pool], ["backup", pool, scratch.file("backup")],
            ["repair", pool, "--to", scratch.file("repaired")],
        ]
    }

    private func expect(
        _ outcome: Outcome, _ status: Int32, _ words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, "\(outcome)", sourceLocation: sourceLocation)
        #expect(outcome.output.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
        for word in words {
            #expect(
                outcome.diagnostics.contains(word), "'\(word)' is not in: \(outcome)",
                sourceLocation: sourceLocation)
        }
    }

    @Test("No pool there: 66, and none is made")
    func missing() {
        let pool = scratch.file("missing")
        for command in commands(pool) {
            expect(Program.run(command), 66, pool)
            #expect(access(pool, F_OK) != 0, "\(command) made \(pool)")
        }
        #expect(access(scratch.file("backup"), F_OK) != 0)
    }

    @Test("A directory, an empty file, text, random bytes: 65")
    func noPools() {
        let directory = scratch.file("directory")
        mkdir(directory, 0o755)
        let empty = scratch.file("empty")
        Bytes.write([], to: empty)
        let text = scratch.file("text")
        Bytes.write(Array("no pool, but text\n".utf8), to: text)
        let random = scratch.file("random")
        var generator = SystemRandomNumberGenerator()
        Bytes.write(
            (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &generator) }, to: random)
        for place in [directory, empty, text, random] {
            for command in commands(place) { expect(Program.run(command), 65, place) }
        }
        expect(Program.run("create", directory), 73, directory)
        expect(Program.run("create", directory, "--force"), 73, directory)
    }

    @Test("A truncated pool: 65, however much is left")
    func truncated() {
        let pool = scratch.pool("pool", [("a", "1")])
        let bytes = Bytes.read(pool)
        let short = scratch.file("short")
        let lengths = [
            1, 100, 255, 256, 4095, 4096, 4097, 8191, 8192, 12287, 12288, 100_000,
            bytes.count / 2, bytes.count - 4096, bytes.count - 1,
        ]
        for length in lengths {
            Bytes.write(Array(bytes.prefix(length)), to: short)
            for command in [["get", short, "a"], ["put", short, "a", "2"], ["check", short]] {
                expect(Program.run(command), 65, short)
            }
        }
    }

    @Test("Any byte of either superblock flipped: the other copy serves; both: 65")
    func superblocks() {
        let pool = scratch.pool("pool", size: "320KiB", [("a", "1")])
        let sound = Bytes.read(pool)
        let other = scratch.file("other")
        for offset in 0..<256 {
            for start in [0, 4096] {
                var bytes = sound
                bytes[start + offset] ^= 0x10
                Bytes.write(bytes, to: other)
                let got = Program.run("get", other, "a")
                // A flipped version number is told as such: what wrote it cannot be known.
                let isVersion = (8..<12).contains(offset)
                #expect(
                    got.status == 0 && got.text == "1" || isVersion && got.status == 65,
                    "byte \(start + offset): \(got)")
            }
            var bytes = sound
            bytes[offset] ^= 0x01
            bytes[4096 + offset] ^= 0x80
            Bytes.write(bytes, to: other)
            expect(Program.run("get", other, "a"), 65, other)
        }
    }

    @Test("A damaged superblock copy is reported by check, and mended by the next writer")
    func superblockIsMended() {
        let pool = scratch.pool("pool", size: "320KiB", [("a", "1")])
        for offset in [100, 4096 + 100] {
            var bytes = Bytes.read(pool)
            bytes[offset] ^= 1
            Bytes.write(bytes, to: pool)
            let check = Program.run("check", pool)
            #expect(check.status == 1 && check.text.contains("superblock"), "\(check)")
            #expect(Program.run("put", pool, "b", "2").status == 0)
            let again = Program.run("check", pool)
            #expect(again.status == 0, "\(again)")
        }
    }

    @Test("A damaged value: 74 or 65 for its key, the right value for the others")
    func damagedValue() {
        let pool = scratch.pool()
        // One session, so that the records stand behind one another.
        let shell = ShellProcess(pool)
        #expect(shell.ask("put a first-value") == "OK")
        #expect(shell.ask("put b second-value") == "OK")
        #expect(shell.end() == 0)
        var bytes = Bytes.read(pool)
        let value = Array("first-value".utf8)
        let offset = bytes.indices.first { bytes[$0...].starts(with: value) }!
        bytes[offset + 3] ^= 1
        Bytes.write(bytes, to: pool)
        expect(Program.run("get", pool, "a"), 65, "damaged")
        #expect(Program.run("get", pool, "b").text == "second-value")
        let dump = Program.run("dump", pool)
        #expect(dump.status == 65 && !dump.text.contains("DATA=END"), "\(dump)")
        let check = Program.run("check", pool)
        #expect(check.status == 1 && check.text.contains("key \"a\""), "\(check)")
        let json = Program.run("check", pool, "--json")
        #expect(json.status == 1 && json.text.contains("\"sound\":false"), "\(json)")
        let repair = Program.run("repair", pool, "--to", scratch.file("repaired"))
        #expect(repair.status == 1 && repair.text.contains("\"a\""), "\(repair)")
        // "some were damaged" left open how many.
        #expect(repair.text.hasSuffix("\n1 key saved, 1 key lost\n"), "\(repair)")
        #expect(Program.run("get", scratch.file("repaired"), "b").text == "second-value")
        #expect(Program.run("check", scratch.file("repaired")).status == 0)
    }

    /// The last record of an open extent looks like a torn one when it is damaged. After a clean
    /// close it was once lost without a word, and check called the pool sound.
    @Test("A damaged value is no torn tail once the pool was closed")
    func damagedTail() {
        let pool = scratch.pool("pool", [("a", "the-only-value")])
        var bytes = Bytes.read(pool)
        let value = Array("the-only-value".utf8)
        let offset = bytes.indices.first { bytes[$0...].starts(with: value) }!
        bytes[offset] ^= 1
        Bytes.write(bytes, to: pool)
        expect(Program.run("get", pool, "a"), 65, "damaged")
        let check = Program.run("check", pool)
        #expect(check.status == 1 && check.text.contains("key \"a\""), "\(check)")
        #expect(Program.run("put", pool, "b", "2").status == 0)
        expect(Program.run("get", pool, "a"), 65, "damaged")
        #expect(Program.run("put", pool, "a", "new").status == 0)
        #expect(Program.run("get", pool, "a").text == "new")
    }

    @Test("A file that may not be written: reading works, writing is 74, nothing is destroyed")
    func readOnlyFile() {
        let pool = scratch.pool("pool", [("a", "1")])
        chmod(pool, 0o444)
        // Root may read and write any file unless it gives those rights up.
        let rights = "-dac_override,-dac_read_search"
        let asUser =
            getuid() == 0
            ? ["/usr/bin/setpriv", "--bounding-set=\(rights)", "--inh-caps=\(rights)"] : []
        func run(_ arguments: String...) -> Outcome {
            Program.run(program: asUser + [Program.pmemkv] + arguments)
        }
        let got = run("get", pool, "a")
        #expect(got.status == 0 && got.text == "1", "\(got)")
        expect(run("put", pool, "a", "2"), 74, pool, "ermission denied")
        expect(run("shell", pool), 74, pool)
        expect(run("create", pool, "--force"), 73, pool)
        expect(run("create", pool), 73, pool, "--force")
        #expect(run("check", pool).status == 0)
        chmod(pool, 0o000)
        expect(run("get", pool, "a"), 74, pool, "ermission denied")
        chmod(pool, 0o644)
        #expect(Program.run("get", pool, "a").text == "1")
        chmod(scratch.path, 0o555)
        expect(run("create", scratch.file("new")), 73, "ermission denied")
        // The message named the pool, which is what may be read here.
        expect(
            run("repair", pool, "--replace"), 73,
            "cannot make a file in the directory \(scratch.path), to take the place of \(pool)")
        chmod(scratch.path, 0o755)
    }

    @Test("Not enough room for a new pool: 73, and no file is left")
    func fullDisk() {
        var status = statvfs()
        precondition(statvfs(scratch.path, &status) == 0)
        let all = Int(status.f_blocks) * Int(status.f_frsize)
        let pool = scratch.file("large")
        expect(Program.run("create", pool, "--size", String(all + 4096)), 73, pool)
        #expect(access(pool, F_OK) != 0)
        expect(Program.run("create", scratch.file("no/such/place")), 73)
    }

    /// The message spoke of too little room for the pool itself, which nothing had happened to.
    @Test("A limit on files names the copy beside the pool, not the pool")
    func limitOfFiles() {
        let pool = scratch.pool("pool", [("a", "1")])
        let repair = Program.shell("ulimit -f 100; pmemkv repair '\(pool)' --replace")
        expect(repair, 73, "for a file beside \(pool), which stays as it is")
        #expect(Program.run("get", pool, "a").text == "1")
    }

    /// Whether a small file system of one's own can be mounted here.
    static let canMount: Bool =
        Program.run(
            program: ["/usr/bin/unshare", "-m", "/bin/mount", "-t", "tmpfs", "none", "/mnt"]
        ).status == 0

    @Test("A file with holes on a full disk: 74, nothing stored is lost", .enabled(if: canMount))
    func holesOnFullDisk() {
        let pool = scratch.pool("pool", size: "8MiB", [("a", "1")])
        let outcome = Program.run(
            program: [
                "/usr/bin/unshare", "-m", "/bin/sh", "-c",
                """
                mount -t tmpfs -o size=2m none /mnt && cd /mnt || exit 99
                cp --sparse=always '\(pool)' pool
                head -c 300000 /dev/urandom > '\(scratch.path)/value'
                stored=0
                while
                    '\(Program.pmemkv)' put pool "key $stored" < '\(scratch.path)/value'
                    status=$?
                    [ $status = 0 ]
                do
                    stored=$((stored + 1))
                done
                echo "put: $status, at least one: $((stored > 0))"
                '\(Program.pmemkv)' put pool b --io syscalls < '\(scratch.path)/value'
                echo "put with syscalls: $?"
                '\(Program.pmemkv)' create other --size 4MiB
                echo "create: $?"
                '\(Program.pmemkv)' get pool a
                for number in $(seq 0 $((stored - 1))); do
                    '\(Program.pmemkv)' get pool "key $number" |
                        cmp - '\(scratch.path)/value' || echo lost
                done
                """,
            ])
        #expect(
            outcome.text == """
                put: 74, at least one: 1
                put with syscalls: 74
                create: 73
                1
                """, "\(outcome)")
        #expect(outcome.diagnostics.contains("No space left on device"), "\(outcome)")
    }

    @Test("An output that takes no more: 74; a reader that goes: no word")
    func outputs() {
        let pool = scratch.pool("pool", [("a", String(repeating: "x", count: 1000))])
        for command in ["get '\(pool)' a", "dump '\(pool)'", "scan '\(pool)'", "count '\(pool)'"] {
            let outcome = Program.shell("pmemkv \(command) > /dev/full")
            expect(outcome, 74, "No space left on device")
        }
        #expect(
            Program.run("put", pool, "big", input: .init(repeating: 65, count: 300_000)).status == 0
        )
        let outcome = Program.shell(
            "{ pmemkv dump '\(pool)'; echo \"status $?\" >&2; } | head -c 1 >/dev/null")
        #expect(outcome.diagnostics == "status 141\n", "\(outcome)")
    }

    @Test("In use: one writer or many readers; who comes too late gets 75")
    func locked() {
        let pool = scratch.pool("pool", [("a", "1")])
        let shell = ShellProcess(pool)
        #expect(shell.ask("get a") == "\"1\"")
        for command in commands(pool) { expect(Program.run(command), 75, pool, "in use") }
        expect(Program.run("create", pool, "--force"), 75, pool)
        #expect(shell.ask("put a 2") == "OK")
        shell.send("quit\n")
        #expect(shell.reply() == "OK")
        #expect(shell.end() == 0)
        #expect(Program.run("get", pool, "a").text == "2")
        // A reader waiting for its own output keeps writers out and lets readers in.
        let reader = Program.shell(
            """
            pmemkv put '\(pool)' big < /dev/zero 2>/dev/null & kill $!
            exec 9< '\(pool)'; flock -s 9
            pmemkv get '\(pool)' a; pmemkv put '\(pool)' a 3
            """)
        #expect(reader.text == "2" && reader.status == 75, "\(reader)")
    }

    @Test("A full pool: 28; reads and deletes still work")
    func fullPool() {
        let pool = scratch.pool("pool", size: "320KiB", [("a", "1")])
        let value = [UInt8](repeating: 7, count: 20_000)
        var stored = 0
        while stored < 100 {
            let outcome = Program.run("put", pool, "key\(stored)", input: value)
            if outcome.status != 0 {
                expect(outcome, 28)
                break
            }
            stored += 1
        }
        #expect(stored > 0 && stored < 100)
        expect(Program.run("put", pool, "big", input: .init(repeating: 1, count: 1 << 20)), 28)
        #expect(Program.run("get", pool, "a").text == "1")
        for number in 0..<stored {
            #expect(Program.run("get", pool, "key\(number)").output == value)
        }
        for number in 0..<stored {
            let outcome = Program.run("delete", pool, "key\(number)")
            #expect(outcome.status == 0, "\(outcome)")
        }
        #expect(Program.run("put", pool, "key", input: value).status == 0)
        #expect(Program.run("count", pool).text == "2\n")
    }

    @Test("Wrong usage: 64, and the message names the argument")
    func usage() {
        let pool = scratch.pool("pool", [("a", "1")])
        let key = String(repeating: "k", count: 65537)
        expect(Program.run("frobnicate"), 64, "frobnicate")
        expect(Program.run("get", pool), 64, "<key>")
        expect(Program.run("get", pool, "a", "b"), 64, "b")
        expect(Program.run("get", pool, "a", "--frob"), 64, "--frob")
        expect(Program.run("get", pool, "a", "--io", "dma"), 64, "dma", "syscalls")
        expect(Program.run("get", pool, "a", "--require", "gold"), 64, "gold", "sync-dax")
        expect(Program.run("put", pool, "", "v"), 64, "at least one byte")
        expect(Program.run("put", pool, key, "v"), 64, "65537")
        expect(Program.run("get", pool, ""), 64, "at least one byte")
        expect(Program.run("get", pool, key), 64, "65537")
        for size in ["64XB", "1.5", "-1", "", "9999999999GiB", "KiB"] {
            expect(Program.run("create", scratch.file("new"), "--size=\(size)"), 64)
        }
        for size in ["0", "4096", "100KiB"] {
            expect(Program.run("create", scratch.file("new"), "--size", size), 64, "too small")
        }
        expect(Program.run("create", scratch.file("new"), "--segment-size", "3000"), 64, "3000")
        #expect(access(scratch.file("new"), F_OK) != 0)
        let notUTF8 = Program.shell("pmemkv put '\(pool)' \"$(printf '\\377')\" v")
        expect(notUTF8, 64, "argument 3 is not UTF-8", "--hex")
        #expect(Program.run("count", pool).text == "1\n")
    }

    @Test("A medium that is not what was required: 74, and no file is left")
    func required() {
        let pool = scratch.pool("pool", [("a", "1")])
        expect(Program.run("get", pool, "a", "--require", "sync-dax"), 74, "synchronous DAX")
        let new = scratch.file("new")
        expect(Program.run("create", new, "--size", "1MiB", "--require", "sync-dax"), 74)
        #expect(access(new, F_OK) != 0)
    }

    @Test("create does not overwrite without --force")
    func overwriting() {
        let pool = scratch.pool("pool", [("a", "1")])
        expect(Program.run("create", pool, "--size", "1MiB"), 73, "already exists", "--force")
        #expect(Program.run("get", pool, "a").text == "1")
        #expect(Program.run("create", pool, "--size", "2MiB", "--force").status == 0)
        #expect(Program.run("count", pool).text == "0\n")
        #expect(Program.run("info", pool, "--json").text.contains("\"poolBytes\":2097152"))
    }

    @Test("A format version or feature of the future is refused by name")
    func futureVersion() {
        let pool = scratch.pool("pool", size: "320KiB", [("a", "1")])
        let sound = Bytes.read(pool)
        for (offset, value, words) in [
            (8, 2, ["format version 2", "version 1"]), (22, 1, ["features 0x1000000000000"]),
        ] {
            var bytes = sound
            for start in [0, 4096] {
                bytes[start + offset] = UInt8(value)
                Superblock.seal(&bytes, at: start)
            }
            Bytes.write(bytes, to: pool)
            for command in commands(pool) {
                let outcome = Program.run(command)
                expect(outcome, 65, words[0])
                #expect(outcome.diagnostics.contains(words.last!))
            }
        }
    }
}

/// What a test must know to make a superblock of another version: its checksum.
private enum Superblock {
    static func seal(_ bytes: inout [UInt8], at start: Int) {
        for index in 12..<16 { bytes[start + index] = 0 }
        let checksum = crc32c(bytes[start..<(start + 256)])
        for index in 0..<4 { bytes[start + 12 + index] = UInt8(checksum >> (8 * index) & 0xFF) }
    }

    /// CRC-32C (Castagnoli), bit by bit.
    private static func crc32c(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
        return ~crc
    }
}
