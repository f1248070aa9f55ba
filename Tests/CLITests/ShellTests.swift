// The protocol of `pmemkv shell`: one line of reply a command, as soon as it is known.

import Testing

@Suite("Shell")
struct ShellTests {
    let scratch = Scratch()

    /// Lines to send and the reply that each gets.
    private func expect(
        _ shell: ShellProcess, _ dialogue: [(String, String)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (line, reply) in dialogue {
            let got = shell.ask(line)
            #expect(got == reply, "\(line)", sourceLocation: sourceLocation)
        }
    }

    @Test("Every command")
    func commands() {
        let pool = scratch.pool()
        let shell = ShellProcess(pool)
        expect(
            shell,
            [
                ("put a 1", "OK"), ("get a", "\"1\""), ("get b", "(nil)"), ("count", "(integer) 1"),
                ("PUT b \"\"", "OK"), ("get b", "\"\""), ("exists a b c a", "(integer) 3"),
                ("scan", "\"a\" \"1\" \"b\" \"\""), ("scan b", "\"b\" \"\""), ("scan z", "(empty)"),
                ("del a a c", "(integer) 1"), ("scan", "\"b\" \"\""), ("sync", "OK"),
                ("put 'it\\'s' \"\\x00\\xfF\\n\\\"\\\\\"", "OK"),
                ("get \"it's\"", "\"\\x00\\xff\\n\\\"\\\\\""), ("quit", "OK"),
            ])
        #expect(shell.reply() == nil)
        #expect(shell.end() == 0)
    }

    @Test("A batch is stored by exec, whole, and not before")
    func batches() {
        let shell = ShellProcess(scratch.pool())
        expect(
            shell,
            [
                ("put gone 0", "OK"), ("multi", "OK"), ("put a 1", "QUEUED"),
                ("del gone", "QUEUED"),
                ("exec", "OK"), ("scan", "\"a\" \"1\""), ("multi", "OK"), ("put a 2", "QUEUED"),
                ("discard", "OK"), ("get a", "\"1\""), ("multi", "OK"), ("exec", "OK"),
                ("exec", "(error) exec without multi"),
                ("discard", "(error) discard without multi"),
                ("multi", "OK"), ("put a 3", "QUEUED"),
                ("get a", "(error) get inside multi; only put and del can be queued"),
                ("exec", "(error) nothing was stored: a command of this batch had an error"),
                ("get a", "\"1\""), ("multi", "OK"), ("multi", "(error) multi inside multi"),
            ])
        #expect(shell.end() == 64)
    }

    @Test("What is wrong is told in one line, and the shell goes on")
    func errors() {
        let shell = ShellProcess(scratch.pool(size: "320KiB"))
        let key = String(repeating: "k", count: 65537)
        expect(
            shell,
            [
                ("put a", "(error) usage: put KEY VALUE"),
                ("put a b c", "(error) usage: put KEY VALUE"),
                ("get", "(error) usage: get KEY"), ("del", "(error) usage: del KEY ..."),
                ("count x", "(error) count takes no argument"),
                ("put \"a 1", "(error) unbalanced quotes"),
                ("put \"\\xzz\" a", "(error) two hexadecimal digits must follow \\x"),
                ("put \"a\"b 1", "(error) a blank must follow a closing quote"),
                ("put \"\" 1", "(error) a key has at least one byte"),
                (
                    "put \(key) 1",
                    "(error) the key has 65537 bytes; at most 16384 are possible in this pool, a "
                        + "quarter of its segment size"
                ),
            ])
        #expect(shell.ask("frob")?.hasPrefix("(error) unknown command 'frob'; ") == true)
        let value = String(repeating: "v", count: 300_000)
        #expect(shell.ask("put big \(value)")?.hasPrefix("(error) ") == true)
        expect(shell, [("put a 1", "OK"), ("get a", "\"1\""), ("get big", "(nil)")])
        #expect(shell.end() == 64)
    }

    /// `put` in a batch took any key up to the longest of all pools, and only exec said that this
    /// pool does not take it: the line at fault was lost, and all of the batch with it.
    @Test("A key that this pool cannot store is refused where it is queued")
    func longKeyInBatch() {
        let shell = ShellProcess(scratch.pool(size: "320KiB"))
        let key = String(repeating: "k", count: 16385)
        expect(
            shell,
            [
                ("multi", "OK"),
                ("put \(key) 1", "(error) a key has 1 to 16384 bytes here, not 16385"),
                ("del \(key)", "QUEUED"), ("discard", "OK"),
            ])
        #expect(shell.end() == 64)
    }

    /// A script whose commands had failed, or whose batch was cut off before exec, ended with 0.
    @Test("Through a pipe, the first error or an open batch is the exit status")
    func exitStatus() {
        let pool = scratch.pool(size: "320KiB")
        let value = String(repeating: "v", count: 300_000)
        for (script, status) in [
            ("put a 1\nget b\ndel b\n", 0), ("set a 1\nls\ndelete a", 0),
            ("frob\nput big \(value)\nput a 1\nquit\n", 64),
            ("put big \(value)\nfrob\n", 28), ("multi\nput c 1\n", 64),
            ("multi\nput c 1\nquit\n", 64), ("multi\nput c 1\ndiscard\nput d 1", 0),
        ] as [(String, Int32)] {
            let outcome = Program.run("shell", pool, input: Array(script.utf8))
            #expect(outcome.status == status, "\(script.prefix(80)): \(outcome)")
            #expect(outcome.diagnostics.isEmpty == (status == 0), "\(outcome)")
        }
        #expect(Program.run("exists", pool, "a").status == 0)
        #expect(Program.run("exists", pool, "c").status == 1)
        #expect(Program.run("exists", pool, "d").status == 0)
    }

    @Test("Empty lines get no reply, a last line needs no newline, many lines may come at once")
    func lines() {
        let shell = ShellProcess(scratch.pool())
        shell.send("\n  \nput a 1\r\n\n" + String(repeating: "get a\n", count: 1000) + "get a")
        #expect(shell.reply() == "OK")
        for _ in 0..<1000 { #expect(shell.reply() == "\"1\"") }
        let status = shell.end()
        #expect(shell.reply() == "\"1\"")
        #expect(shell.reply() == nil)
        #expect(status == 0)
    }

    @Test("Large values pass in both directions")
    func largeValue() {
        let shell = ShellProcess(scratch.pool(size: "16MiB"))
        let value = String(repeating: "0123456789abcdef", count: 1 << 17)
        #expect(shell.ask("put k \(value)") == "OK")
        #expect(shell.ask("get k") == "\"\(value)\"")
        #expect(shell.end() == 0)
    }
}
