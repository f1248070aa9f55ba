// Standard descriptors that are closed: what needs one says so, and no file takes its place.

import Testing

@Suite("Closed standard descriptors")
struct DescriptorTests {
    let scratch = Scratch()

    private func expect(
        _ outcome: Outcome, _ status: Int32, _ words: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, "\(outcome)", sourceLocation: sourceLocation)
        #expect(
            outcome.diagnostics.contains(words), "\(outcome)", sourceLocation: sourceLocation)
    }

    /// A shell that was started with its output closed had the pool as descriptor 1: it wrote its
    /// replies over the superblock, said that all was well, and the pool was gone.
    @Test("Replies to a closed output: 74, and nothing is carried out or written over")
    func closedOutput() {
        let pool = scratch.pool("pool", [("a", "1")])
        let before = Bytes.read(pool)
        for command in [
            "printf 'put a 2\\nget a\\n' | pmemkv shell '\(pool)' >&-",
            "pmemkv get '\(pool)' a >&-", "pmemkv scan '\(pool)' >&-",
            "pmemkv count '\(pool)' >&- <&-", "pmemkv dump '\(pool)' >&-",
            "pmemkv stat '\(pool)' >&-", "pmemkv check '\(pool)' >&-",
            "pmemkv doctor '\(pool)' >&-", "pmemkv info '\(pool)' 1</dev/null",
        ] {
            expect(Program.shell(command), 74, "standard output is closed")
        }
        #expect(Program.run("get", pool, "a").text == "1")
        #expect(Bytes.read(pool).dropFirst(12288) == before.dropFirst(12288))
    }

    /// With its input closed a shell had the pool as descriptor 0, and carried out the lines that
    /// somebody had stored in a value.
    @Test("Commands from a closed input: 74, and values are not read as commands")
    func closedInput() {
        let pool = scratch.pool("pool", [("a", "1")])
        let stored = Program.run("put", pool, "b", input: Array("\n\nput a 2\n\nput c 3\n".utf8))
        #expect(stored.status == 0, "\(stored)")
        expect(Program.shell("pmemkv shell '\(pool)' <&-"), 74, "standard input is closed")
        expect(Program.shell("pmemkv put '\(pool)' k <&-"), 74, "standard input is closed")
        expect(Program.shell("pmemkv load '\(pool)' <&-"), 74, "standard input is closed")
        #expect(Program.run("get", pool, "a").text == "1")
        #expect(Program.run("count", pool).text == "2\n")
    }

    @Test("What needs none of them works without")
    func notNeeded() {
        let pool = scratch.file("pool")
        let closed = "<&- >&- 2>&-"
        for command in [
            "create '\(pool)' --size 1MiB", "put '\(pool)' a 1", "exists '\(pool)' a",
            "compact '\(pool)'", "backup '\(pool)' '\(pool).copy'",
        ] {
            let outcome = Program.shell("pmemkv \(command) \(closed)")
            #expect(outcome.status == 0, "\(command): \(outcome)")
        }
        for file in [pool, pool + ".copy"] {
            #expect(Program.run("get", file, "a").text == "1")
            #expect(Program.run("check", file).status == 0)
        }
    }
}
