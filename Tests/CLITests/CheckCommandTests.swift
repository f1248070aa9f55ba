// What the other commands refuse, check reports.

import Testing

@Suite("check and the other commands")
struct CheckCommandTests {
    let scratch = Scratch()

    /// A value of 200 KiB lies in an extent of four segments of 64 KiB. The lines of the later
    /// three keep life words of their own, and opening looks at them; check once went from the
    /// first line of an extent to the line behind it, and called a pool sound that no command would
    /// open.
    @Test("A damaged line inside an extent of several segments is reported")
    func lineInsideAnExtent() {
        let pool = scratch.file("pool")
        #expect(
            Program.run("create", pool, "--size", "8MiB", "--segment-size", "64KiB").status == 0)
        let value = [UInt8](repeating: 0x76, count: 200 << 10)
        #expect(Program.run("put", pool, "long", input: value).status == 0)
        #expect(Program.run("check", pool).status == 0)
        let line = 8192 + 64
        var bytes = Bytes.read(pool)
        bytes[line + 5] ^= 1
        Bytes.write(bytes, to: pool)
        for command in [["get", pool, "long"], ["put", pool, "short", "1"], ["stat", pool]] {
            let outcome = Program.run(command)
            #expect(outcome.status == 65, "\(outcome)")
            #expect(outcome.diagnostics.contains("offset \(line)"), "\(outcome)")
        }
        let check = Program.run("check", pool)
        #expect(check.status == 1, "\(check)")
        #expect(check.text.contains("segment-line at offset \(line), segment 1"), "\(check)")
        let repaired = scratch.file("repaired")
        let repair = Program.run("repair", pool, "--to", repaired)
        #expect(repair.text.contains("segment-line at offset \(line)"), "\(repair)")
        #expect(Program.run("get", repaired, "long").output == value)
    }
}
