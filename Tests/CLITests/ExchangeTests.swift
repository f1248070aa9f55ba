// dump and load, by themselves and with LMDB's mdb_dump and mdb_load.

import Testing

@Suite("Exchange")
struct ExchangeTests {
    let scratch = Scratch(inMemory: false)

    /// Keys and values of many lengths with every byte in them, from a fixed seed.
    private func fill(_ pool: String, maximumKey: Int = 400) {
        var generator = Seeded(state: 17)
        var dump = "VERSION=3\nHEADER=END\n"
        for number in 0..<3000 {
            let length = [1, 2, 3, 7, 63, 64, 65, 200, maximumKey][number % 9]
            let key = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let size = number % 100 == 0 ? 9000 : number % 5 == 0 ? 0 : number % 700
            let value = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
            dump += " \(hex(key))\n \(hex(value))\n"
        }
        dump += " \(hex(Array(#"\back\\slash\n\5c"#.utf8)))\n \(hex(Array(#"\"#.utf8)))\nDATA=END\n"
        let outcome = Program.run("load", pool, "-q", input: Array(dump.utf8))
        #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.diagnostics.isEmpty, "\(outcome)")
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The lines between the header and the end.
    private func data(_ outcome: Outcome) -> [Substring] {
        let lines = outcome.text.split(separator: "\n", omittingEmptySubsequences: false)
        return Array(lines.drop { $0 != "HEADER=END" }.dropFirst())
    }

    @Test("dump, load, dump again: the same text, in both formats, from file and pipe")
    func roundTrip() {
        let pool = scratch.pool("pool", size: "16MiB")
        fill(pool, maximumKey: 65536 / 16)
        let dump = Program.run("dump", pool)
        #expect(dump.status == 0 && dump.text.hasSuffix("\nDATA=END\n"))
        Bytes.write(dump.output, to: scratch.file("dump"))
        let second = scratch.pool("second", size: "20MiB")
        let load = Program.run("load", second, scratch.file("dump"), "--quiet")
        #expect(load.status == 0 && load.output.isEmpty && load.diagnostics.isEmpty, "\(load)")
        #expect(Program.run("dump", second).output == dump.output)
        let third = scratch.pool("third", size: "16MiB")
        let piped = Program.shell("pmemkv dump '\(second)' --print | pmemkv load '\(third)'")
        #expect(piped.status == 0, "\(piped)")
        #expect(Program.run("dump", third).output == dump.output)
        #expect(Program.run("check", third).status == 0)
    }

    @Test("mdb_load reads a dump, and what mdb_dump writes of it is loaded back: nothing changed")
    func lmdb() {
        let pool = scratch.pool("pool", size: "16MiB")
        fill(pool)
        let dump = Program.run("dump", pool)
        for format in ["", "--print"] {
            let database = scratch.file("lmdb\(format)")
            let written = Program.shell(
                "pmemkv dump -q \(format) '\(pool)' | mdb_load -n '\(database)'")
            #expect(written.status == 0 && written.diagnostics.isEmpty, "\(written)")
            let theirs = Program.run(program: ["/usr/bin/mdb_dump", "-n", database])
            #expect(theirs.status == 0 && data(theirs) == data(dump), "\(theirs)")
            let back = scratch.pool("back\(format)", size: "16MiB")
            let load = Program.shell("mdb_dump -n '\(database)' | pmemkv load '\(back)'")
            #expect(load.status == 0, "\(load)")
            #expect(Program.run("dump", back).output == dump.output)
        }
    }

    @Test("The print format of mdb_dump is read, too")
    func lmdbPrint() {
        let pool = scratch.pool("pool", [("a b", "c\td ä"), ("k", "v")])
        let database = scratch.file("lmdb")
        #expect(Program.shell("pmemkv dump '\(pool)' | mdb_load -n '\(database)'").status == 0)
        let back = scratch.pool("back")
        let load = Program.shell("mdb_dump -p -n '\(database)' | pmemkv load '\(back)'")
        #expect(load.status == 0, "\(load)")
        #expect(Program.run("dump", back).output == Program.run("dump", pool).output)
    }

    @Test("An incomplete dump: a file stores nothing, a pipe what was complete; 65 both times")
    func incomplete() {
        let pool = scratch.pool()
        let dump = "VERSION=3\nHEADER=END\n 61\n 31\n 62\n 32\n"
        let file = Program.run("load", pool, input: Array(dump.utf8))
        #expect(file.status == 65 && file.diagnostics.contains("DATA=END"), "\(file)")
        #expect(file.diagnostics.contains("nothing was stored"))
        #expect(Program.run("count", pool).text == "0\n")
        let pipe = Program.shell("printf '\(dump)' | pmemkv load '\(pool)'")
        #expect(pipe.status == 65 && pipe.diagnostics.contains("DATA=END"), "\(pipe)")
        #expect(pipe.diagnostics.contains("2 records before that were stored"))
        #expect(Program.run("count", pool).text == "2\n")
        let empty = Program.shell("printf '' | pmemkv load '\(pool)'")
        #expect(empty.status == 65 && empty.diagnostics.contains("empty"), "\(empty)")
    }

    /// A key that is too long for this pool was found when the batch was stored, so that the
    /// message named the last line of the batch.
    @Test("A key that this pool cannot store is refused with its own line")
    func longKey() {
        let pool = scratch.pool("pool", size: "320KiB")
        let key = String(repeating: "6b", count: 16385)
        let dump = "VERSION=3\nHEADER=END\n 61\n 31\n \(key)\n 32\n 63\n 33\nDATA=END\n"
        let message = "line 5: a key of 16385 bytes; this pool takes 1 to 16384 bytes"
        let load = Program.run("load", pool, input: Array(dump.utf8))
        #expect(load.status == 65, "\(load)")
        #expect(load.diagnostics.contains("\(message); nothing was stored"), "\(load)")
        #expect(Program.run("count", pool).text == "0\n")
        Bytes.write(Array(dump.utf8), to: scratch.file("dump"))
        let pipe = Program.shell("cat '\(scratch.file("dump"))' | pmemkv load '\(pool)'")
        #expect(pipe.status == 65 && pipe.diagnostics.contains(message), "\(pipe)")
        #expect(Program.run("count", pool).text == "1\n")
    }

    /// Of a file only the last line was looked at: text behind DATA=END was told as a missing
    /// DATA=END, and of a file with two dumps, or a fault in the middle, the beginning was stored.
    @Test(
        "A file that is no complete dump stores nothing, and is told what a pipe is told",
        arguments: [
            ("61\n 31\nDATA=END\ntrailing\n", "line 6: more text behind DATA=END"),
            (
                "61\n 31\nDATA=END\nVERSION=3\nHEADER=END\n",
                "line 7: the dump ends without DATA=END"
            ),
            ("61\n 31\n zz\n 32\nDATA=END\n", "line 5: character 2 is no hexadecimal digit"),
            ("61\n 31\n 62\n", "line 5: the dump ends without DATA=END"),
        ])
    func wrongFile(data: String, reason: String) {
        let dump = "VERSION=3\nHEADER=END\n " + data
        let file = scratch.file("dump")
        Bytes.write(Array(dump.utf8), to: file)
        let pool = scratch.pool()
        for load in [
            Program.run("load", pool, file), Program.run("load", pool, input: Array(dump.utf8)),
        ] {
            #expect(load.status == 65 && load.output.isEmpty, "\(load)")
            #expect(load.diagnostics.contains(reason), "\(load)")
            #expect(load.diagnostics.contains("; nothing was stored"), "\(load)")
            #expect(Program.run("count", pool).text == "0\n")
        }
        let pipe = Program.shell("cat '\(file)' | pmemkv load '\(pool)'")
        #expect(pipe.status == 65 && pipe.diagnostics.contains(reason), "\(pipe)")
        #expect(pipe.diagnostics.contains("; 1 record before that was stored"), "\(pipe)")
        #expect(Program.run("count", pool).text == "1\n")
    }

    @Test(
        "What is no dump, or cannot be held, is refused with its line",
        arguments: [
            // The message spoke of a wrong version and had the carriage return in it; LMDB takes it
            // for a part of every key and value.
            (
                "VERSION=3\\r\\nHEADER=END\\r\\nDATA=END\\r\\n",
                "line 1: the dump has CRLF line ends"
            ),
            (
                "VERSION=3\\nHEADER=END\\n 61\\r\\n 31\\nDATA=END\\n",
                "line 3: the dump has CRLF line ends"
            ),
            ("hello\\n", "line 1: this is no dump"),
            // DATA=END passed for a word of the header, and was then said to be missing.
            ("VERSION=3\\ntype=btree\\nDATA=END\\n", "line 3: DATA=END without HEADER=END"),
            ("VERSION=3\\ntype=btree\\n", "line 2: the dump ends without HEADER=END"),
            ("VERSION=2\\nHEADER=END\\nDATA=END\\n", "line 1: VERSION=2"),
            ("VERSION=3\\nformat=xml\\nHEADER=END\\nDATA=END\\n", "line 2: format=xml"),
            ("VERSION=3\\ntype=recno\\nHEADER=END\\nDATA=END\\n", "line 2: type=recno"),
            ("VERSION=3\\nduplicates=1\\nHEADER=END\\nDATA=END\\n", "line 2: duplicates=1"),
            ("VERSION=3\\nHEADER=END\\n 61\\nDATA=END\\n", "line 4: the last key has no value"),
            ("VERSION=3\\nHEADER=END\\n 6\\n 31\\nDATA=END\\n", "line 3: not an even number"),
            ("VERSION=3\\nHEADER=END\\n61\\n 31\\nDATA=END\\n", "line 3: a line of data"),
            ("VERSION=3\\nHEADER=END\\n \\n 31\\nDATA=END\\n", "line 3: a key of 0 bytes"),
            ("VERSION=3\\nHEADER=END\\n 61\\n 31\\nDATA=END\\nVERSION 3\\n", "line 6: more text"),
        ])
    func refused(dump: String, reason: String) {
        let pool = scratch.pool()
        let outcome = Program.shell("printf '\(dump)' | pmemkv load '\(pool)'")
        #expect(outcome.status == 65 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.diagnostics.contains(reason), "\(outcome)")
    }

    @Test("A pool that is too small for a dump: 28, and the count of what was stored is right")
    func tooSmall() {
        let large = scratch.pool("large", size: "16MiB")
        fill(large)
        let small = scratch.pool("small", size: "600KiB")
        let outcome = Program.shell("pmemkv dump '\(large)' | pmemkv load '\(small)'")
        #expect(outcome.status == 28, "\(outcome)")
        let count = Program.run("count", small).text.dropLast()
        #expect(Int(count) ?? 0 > 0)
        #expect(outcome.diagnostics.contains("\(count) records before that"), "\(count) \(outcome)")
        #expect(Program.run("load", large, "/no/such/file").status == 66)
    }
}

/// A generator whose numbers are the same in each run (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
