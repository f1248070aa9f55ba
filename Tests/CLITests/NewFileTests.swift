// Files that a command makes are complete or not there, keep owner and mode of what they copy or
// replace, and take nothing away before that.

import Foundation
import Testing

@Suite("Files that a command makes")
struct NewFileTests {
    let scratch = Scratch()

    /// What is in the directory, hidden names included.
    private var names: [String] {
        Program.run(program: ["/bin/ls", "-A", scratch.path]).text
            .split(separator: "\n").map(String.init)
    }

    /// A pool that takes a while to copy.
    private func largePool() -> String {
        let pool = scratch.pool("pool", size: "16MiB")
        let dump =
            "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n"
            + (0..<10_000).map {
                " key\($0)\n \(String(repeating: "v", count: 400))\n"
            }.joined() + "DATA=END\n"
        let load = Program.run("load", pool, input: Array(dump.utf8))
        #expect(load.status == 0, "\(load)")
        return pool
    }

    /// Returns when the process has a file open in the directory that is not the pool, whatever its
    /// name, or has ended.
    private func awaitNewFile(of process: pid_t, beside pool: String) {
        let descriptors = "/proc/\(process)/fd"
        let files = FileManager.default
        while let names = try? files.contentsOfDirectory(atPath: descriptors), !names.isEmpty {
            let isMade = names.contains { name in
                let path = try? files.destinationOfSymbolicLink(atPath: "\(descriptors)/\(name)")
                return path?.hasPrefix(scratch.path + "/") == true && path != pool
            }
            if isMade { return }
        }
    }

    /// A backup that was killed or interrupted left a pool with some of the keys, which opened,
    /// counted and checked as if it were all; the same held for a repair.
    @Test(
        "Whatever ends a backup or a repair, nothing of it is left",
        arguments: [SIGKILL, SIGTERM])
    func ended(signal: Int32) {
        let pool = largePool()
        let copy = scratch.file("copy")
        for command in [["backup", pool, copy], ["repair", pool, "--to", copy]] {
            for hasBegun in [false, true] {
                let process = Program.spawn([Program.pmemkv] + command, standard: [])
                if hasBegun { awaitNewFile(of: process, beside: pool) }
                kill(process, signal)
                let outcome = Program.wait(process)
                // It may have come to its end before.
                if names.contains("copy") {
                    #expect(Program.run("count", copy).text == "10000\n")
                } else {
                    #expect(outcome.signal == signal && names == ["pool"], "\(outcome)")
                }
                unlink(copy)
            }
        }
        #expect(Program.run("count", pool).text == "10000\n")
    }

    /// `create --force` had emptied the old pool before it found that it could not make the new
    /// one.
    @Test("create --force that is refused leaves the old pool as it was")
    func refusedForce() {
        let pool = scratch.pool("pool", [("a", "1")])
        let before = Bytes.read(pool)
        var status = statvfs()
        precondition(statvfs(scratch.path, &status) == 0)
        let tooMuch = String(Int(status.f_blocks) * Int(status.f_frsize) + 4096)
        for (options, code) in [
            (["--size", "1MiB", "--require", "sync-dax"], 74), (["--size", tooMuch], 73),
            (["--size", "4096"], 64), (["--size", "1MiB", "--segment-size", "3000"], 64),
        ] as [([String], Int32)] {
            let outcome = Program.run(["create", pool, "--force"] + options)
            #expect(outcome.status == code, "\(outcome)")
            #expect(Bytes.read(pool) == before && names == ["pool"])
        }
    }

    @Test("create --force keeps owner, mode and links")
    func force() {
        let pool = scratch.pool("pool", [("a", "1")])
        chmod(pool, 0o640)
        if getuid() == 0 { chown(pool, 12, 34) }
        let link = scratch.file("link")
        symlink("pool", link)
        let outcome = Program.run("create", link, "--force", "--size", "2MiB")
        #expect(outcome.status == 0, "\(outcome)")
        expectSame(pool, mode: 0o640)
        #expect(Program.run("count", pool).text == "0\n")
        var status = stat()
        #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(names == ["link", "pool"])
    }

    private func expectSame(
        _ path: String, mode: mode_t, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var status = stat()
        #expect(stat(path, &status) == 0, sourceLocation: sourceLocation)
        #expect(status.st_mode & 0o7777 == mode, sourceLocation: sourceLocation)
        if getuid() == 0 {
            #expect(status.st_uid == 12 && status.st_gid == 34, sourceLocation: sourceLocation)
        }
    }

    /// A copy of a pool that only its owner could read was readable for everybody; a repaired pool
    /// in the place of the damaged one belonged to whoever had repaired it, and in the place of a
    /// link, while the damaged pool stayed where it was.
    @Test("Copies keep owner and mode, and a repair in place mends what a link leads to")
    func copies() {
        let pool = scratch.pool("pool", [("a", "1"), ("b", "2")])
        chmod(pool, 0o600)
        if getuid() == 0 { chown(pool, 12, 34) }
        #expect(Program.run("backup", pool, scratch.file("copy")).status == 0)
        expectSame(scratch.file("copy"), mode: 0o600)
        #expect(Program.run("repair", pool, "--to", scratch.file("repaired")).status == 0)
        expectSame(scratch.file("repaired"), mode: 0o600)
        mkdir(scratch.file("elsewhere"), 0o755)
        let link = scratch.file("elsewhere/link")
        symlink("../pool", link)
        var bytes = Bytes.read(pool)
        bytes[100] ^= 1
        let descriptor = open(pool, O_WRONLY)
        _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        close(descriptor)
        #expect(Program.run("check", pool).status == 1)
        let repair = Program.run("repair", link, "--replace")
        #expect(repair.status == 0, "\(repair)")
        expectSame(pool, mode: 0o600)
        #expect(Program.run("check", pool).status == 0)
        #expect(Program.run("count", link).text == "2\n")
        var status = stat()
        #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(names == ["copy", "elsewhere", "pool", "repaired"])
        #expect(Program.run("repair", pool, "--replace", "--to", link).status == 64)
        #expect(Program.run("repair", pool).status == 64)
    }

    /// `create new/` made a file of the name, and over a link that led nowhere it said that the
    /// file existed.
    @Test("A name that no file can have: 73, and nothing is made")
    func impossibleNames() {
        for (name, words) in [("new/", "names a directory"), ("link", "symbolic link to nowhere")] {
            if name == "link" { symlink("nowhere", scratch.file("link")) }
            let outcome = Program.run("create", scratch.file(name), "--size", "1MiB")
            #expect(outcome.status == 73, "\(outcome)")
            #expect(outcome.diagnostics.contains(words), "\(outcome)")
            #expect(names == (name == "link" ? ["link"] : []))
        }
    }

    /// Under a limit on the size of files a create was killed by SIGXFSZ; the empty file it left
    /// stood in the way of the next one.
    @Test("A limit on the size of files: 73, and nothing is left")
    func sizeLimit() {
        let pool = scratch.file("pool")
        let limited = Program.shell("ulimit -f 100; pmemkv create '\(pool)' --size 1MiB")
        #expect(limited.status == 73, "\(limited)")
        #expect(limited.diagnostics.contains("File too large"), "\(limited)")
        #expect(names.isEmpty)
        #expect(Program.run("create", pool, "--size", "1MiB").status == 0)
        let backup = Program.shell("ulimit -f 100; pmemkv backup '\(pool)' '\(pool).copy'")
        #expect(backup.status == 73 && names == ["pool"], "\(backup)")
    }

    @Test("Two that create the same pool: one does, the other says that it is there")
    func race() {
        let pool = scratch.file("pool")
        let processes = (0..<4).map { _ in
            Program.spawn(
                [Program.pmemkv, "create", pool, "--size", "1MiB"], standard: [])
        }
        let ends = processes.map { Program.wait($0).status }
        #expect(ends.count { $0 == 0 } == 1 && ends.count { $0 == 73 } == 3, "\(ends)")
        #expect(Program.run("check", pool).status == 0 && names == ["pool"])
    }
}
