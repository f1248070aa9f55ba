// What `doctor` says of what is at a path already. It called a foreign file, and a pool that the
// user may not read, a good place, and the command that came next failed.

import Foundation
import Testing

@Suite("The doctor on what is there")
struct DoctorTests {
    let scratch = Scratch(inMemory: false)

    /// The finding with an identifier, as a line of the report for people.
    private func line(_ id: String, _ outcome: Outcome) -> String {
        outcome.text.split(separator: "\n").first { $0.contains(" \(id): ") }.map(String.init) ?? ""
    }

    @Test("A pool, a pool in use, and files that are none")
    func pools() throws {
        let pool = scratch.pool("pool", [("a", "1")])
        let sound = Program.run("doctor", pool)
        #expect(line("pool", sound).contains("is a pool of 1048576 bytes"), "\(sound)")
        for (name, content) in [("empty", ""), ("short", "hello"), ("long", "x")] {
            let path = scratch.file(name)
            let text = name == "long" ? String(repeating: content, count: 1 << 20) : content
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            let outcome = Program.run("doctor", path)
            #expect(outcome.status == 1, "\(outcome)")
            #expect(line("pool", outcome).hasPrefix("problem"), "\(outcome)")
            #expect(Program.run("get", path, "a").status != 0)
        }
        let descriptor = open(pool, O_RDONLY)
        #expect(flock(descriptor, LOCK_EX) == 0)
        let used = Program.run("doctor", pool)
        #expect(line("pool", used).hasPrefix("note"), "\(used)")
        close(descriptor)
        let missing = Program.run("doctor", scratch.file("new"))
        #expect(line("pool", missing).isEmpty, "\(missing)")
    }

    @Test("Damage of the table is named, with the command that says more")
    func damaged() {
        let pool = scratch.pool("pool", [("a", "1")])
        var bytes = Bytes.read(pool)
        for index in 0..<16384 where index % 8 == 0 { bytes[index] ^= 0xFF }
        Bytes.write(bytes, to: pool)
        let outcome = Program.run("doctor", pool)
        #expect(outcome.status == 1 && line("pool", outcome).hasPrefix("problem"), "\(outcome)")
    }

    @Test("A pool and a directory of somebody else")
    func rights() {
        let pool = scratch.pool("pool", [("a", "1")])
        // Root may read and write any file unless it gives those rights up.
        let rights = "-dac_override,-dac_read_search"
        let asUser =
            getuid() == 0
            ? ["/usr/bin/setpriv", "--bounding-set=\(rights)", "--inh-caps=\(rights)"] : []
        func doctor(_ path: String) -> Outcome {
            Program.run(program: asUser + [Program.pmemkv, "doctor", path])
        }
        #expect(line("access", doctor(pool)).hasPrefix("ok"))
        chmod(pool, 0o000)
        let hidden = doctor(pool)
        #expect(hidden.status == 1 && line("access", hidden).hasPrefix("problem"), "\(hidden)")
        #expect(hidden.text.contains("chmod u+rw \(pool)"), "\(hidden)")
        chmod(pool, 0o444)
        let fixed = doctor(pool)
        #expect(line("access", fixed).hasPrefix("warning"), "\(fixed)")
        chmod(scratch.path, 0o555)
        for path in [scratch.path, scratch.file("new")] {
            let closed = doctor(path)
            #expect(closed.status == 1 && line("access", closed).hasPrefix("problem"), "\(closed)")
            #expect(!closed.text.contains("pmemkv create"), "\(closed)")
        }
        chmod(scratch.path, 0o755)
    }
}
