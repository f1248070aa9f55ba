// Paths are bytes, and most are text as well.

import Testing

@Suite("Paths that are no text")
struct PathTests {
    let scratch = Scratch()

    /// A pool whose path was not UTF-8 could not be opened: the command refused the argument.
    @Test("A pool is made, used, copied and repaired at any path; messages show it escaped")
    func anyBytes() {
        let line = """
            cd '\(scratch.path)' && mkdir "$(printf 'd\\377')" && cd "$(printf 'd\\377')" &&
            pool="$(printf 'p\\303(\\377')" && other="$(printf '\\376')" &&
            pmemkv create "$pool" --size 1MiB && pmemkv put "$pool" k v &&
            pmemkv get "$pool" k && pmemkv put "../$(printf 'd\\377')/$pool" k w &&
            pmemkv get "$pool" k --io syscalls && pmemkv backup "$pool" "$other" &&
            pmemkv repair "$pool" "--to=$other.2" && pmemkv repair "$other" --replace &&
            pmemkv dump "$other.2" > "$other.dump" && pmemkv load "$pool" "$other.dump" &&
            pmemkv check "$pool" && pmemkv create "$pool" --force --size 2MiB &&
            pmemkv count "$pool" && pmemkv create "$pool"
            """
        let outcome = Program.shell(line)
        #expect(outcome.status == 73, "\(outcome)")
        #expect(
            outcome.text == """
                vw1 key saved, nothing lost
                1 key saved, nothing lost
                p\\xC3(\\xFF: 3 sound records, no damage
                0

                """, "\(outcome)")
        #expect(
            outcome.diagnostics.contains("p\\xC3(\\xFF already exists"), "\(outcome)")
    }

    /// The doctor, which is asked before there is a pool, refused the argument as no text.
    @Test("The doctor examines any path: a pool, a file that is none, a directory, what is missing")
    func doctor() {
        let line = """
            cd '\(scratch.path)' && mkdir "$(printf 'd\\377')" && cd "$(printf 'd\\377')" &&
            pmemkv create -q "$(printf 'p\\377')" --size 1MiB &&
            echo hello > "$(printf 'f\\377')" &&
            ln -s nowhere "$(printf 'l\\377')" || exit 2
            for path in "$(printf 'p\\377')" "$(printf 'f\\377')" "../$(printf 'd\\377')" \\
                "$(printf 'new\\377')" "$(printf 'l\\377')" "$(printf 'no\\377')/file"; do
                pmemkv doctor "$path" > out 2> /dev/null
                echo $(grep -e ' place:' -e ' pool:' out)
            done
            """
        let outcome = Program.shell(line)
        let lines = outcome.text.split(separator: "\n").map(String.init)
        let expected = [
            "p\\xFF is a pool of 1048576 bytes", "f\\xFF is too short for a pool, 6 of at",
            "../d\\xFF is a directory", "new\\xFF does not exist",
            "l\\xFF is a symbolic link to nowhere",
            "neither no\\xFF/file nor the directory no\\xFF exists",
        ]
        #expect(lines.count == expected.count, "\(outcome)")
        for (line, words) in zip(lines, expected) {
            #expect(line.contains(words), "\(line)")
        }
    }

    @Test("A key that is no text is refused, beside such a path, too")
    func keys() {
        let pool = scratch.pool("pool", [("a", "1")])
        for command in [
            "put '\(pool)' \"$(printf '\\377')\" v", "get '\(pool)' \"$(printf '\\377')\"",
            "scan '\(pool)' \"--prefix=$(printf '\\377')\"", "\"$(printf '\\377')\"",
            "put \"$(printf '\\377')\" \"$(printf '\\376')\" v",
        ] {
            let outcome = Program.shell("pmemkv \(command)")
            #expect(outcome.status == 64, "\(outcome)")
            #expect(outcome.diagnostics.contains("is not UTF-8"), "\(outcome)")
        }
        #expect(Program.run("count", pool).text == "1\n")
    }
}
