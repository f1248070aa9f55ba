// Tables by the command line, and dumps of several, exchanged with LMDB.

import Testing

@Suite("Tables by commands")
struct TableCommandTests {
    let scratch = Scratch(inMemory: false)

    private func expect(
        _ outcome: Outcome, _ status: Int32, _ words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, sourceLocation: sourceLocation)
        #expect(outcome.diagnostics.contains(words), sourceLocation: sourceLocation)
    }

    @Test("A table is made by put and load, and is its own") func commands() {
        let pool = scratch.pool("pool", [("k", "unnamed")])
        expect(Program.run("get", pool, "k", "--table", "t"), 1, "no such key")
        #expect(Program.run("count", pool, "--table", "t").text == "0\n")
        #expect(Program.run("scan", pool, "--table", "t").text == "")
        expect(Program.run("delete", pool, "k", "--table", "t"), 1, "no such key")
        #expect(Program.run("exists", pool, "k", "--table", "t").status == 1)
        #expect(Program.run("tables", pool).text == "")
        #expect(Program.run("put", pool, "k", "in t", "--table", "t").status == 0)
        #expect(Program.run("get", pool, "k", "--table", "t").text == "in t")
        #expect(Program.run("get", pool, "k").text == "unnamed")
        #expect(Program.run("tables", pool).text == "1\tt\n")
        #expect(Program.run("scan", pool, "--table", "t").text == "k\tin t\n")
        #expect(Program.run("delete", pool, "k", "--table", "t").status == 0)
        #expect(Program.run("count", pool).text == "1\n")
        let script = Array("multi\nput a 1\nexec\nget a\ncount\n".utf8)
        let shell = Program.run("shell", pool, "--table", "u", input: script)
        #expect(shell.text == "OK\nQUEUED\nOK\n\"1\"\n(integer) 1\n", "\(shell)")
        #expect(
            Program.run("tables", pool, "--json").text.split(separator: "\n").count == 2)
        #expect(Program.run("clear", pool, "--table", "u").status == 0)
        expect(Program.run("clear", pool, "--table", "none"), 1, "no such table")
        #expect(Program.run("drop", pool, "t").status == 0)
        expect(Program.run("drop", pool, "t"), 1, "no such table")
        #expect(Program.run("tables", pool).text == "0\tu\n")
        #expect(Program.run("clear", pool).status == 0)
        #expect(Program.run("count", pool).text == "0\n")
        #expect(Program.run("check", pool).status == 0)
        expect(Program.run("put", pool, "k", "v", "--table", ""), 64, "1 to 255 bytes")
    }

    @Test("All tables go through a dump, and through LMDB") func exchange() {
        let pool = scratch.pool("pool", [("k", "unnamed")])
        for table in ["a", "b c"] {
            for key in ["x", "y"] {
                #expect(Program.run("put", pool, key, table, "--table", table).status == 0)
            }
        }
        let dump = Program.run("dump", pool, "--all")
        #expect(dump.status == 0)
        #expect(
            dump.text.split(separator: "\n").filter { $0.hasPrefix("database=") } == [
                "database=a", "database=b c",
            ])
        let second = scratch.pool("second")
        let load = Program.run("load", second, "-", input: dump.output)
        #expect(load.status == 0, "\(load)")
        #expect(Program.run("dump", second, "-a").output == dump.output)
        #expect(Program.run("tables", second).text == "2\ta\n2\tb c\n")
        // LMDB's named databases stand in its main one, which mdb_dump -a leaves out.
        #expect(Program.run("clear", pool).status == 0)
        let database = scratch.file("lmdb")
        let written = Program.shell("pmemkv dump -q -a '\(pool)' | mdb_load -n '\(database)'")
        #expect(written.status == 0 && written.diagnostics.isEmpty, "\(written)")
        let back = scratch.pool("back")
        let theirs = Program.shell("mdb_dump -n -a '\(database)' | pmemkv load '\(back)'")
        #expect(theirs.status == 0, "\(theirs)")
        #expect(Program.run("dump", back, "-a").output == Program.run("dump", pool, "-a").output)
        let third = scratch.pool("third")
        #expect(Program.run("load", third, "-", "--table", "one", input: dump.output).status == 0)
        #expect(Program.run("tables", third).text == "3\tone\n")
        expect(Program.run("dump", pool, "--all", "--table", "a"), 64, "exclude each other")
    }
}
