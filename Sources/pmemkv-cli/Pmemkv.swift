// The command `pmemkv`. One file a command: parse, call the library, print.
//
// Standard output carries results alone, standard error diagnostics alone, and every failure ends
// in an exit status of ExitStatus.swift.

import ArgumentParser
import Glibc
import PmemKV
import PmemPlaces

@main
struct Pmemkv: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pmemkv",
        abstract: "A key-value store in persistent memory.",
        discussion: """
            POOL is a file, best on a file system with DAX, or a devdax device such as \
            /dev/dax0.0. SIZE is a number of bytes, or a number with K, M, G or T: 64MiB, 0.5G; \
            all units are binary, with or without B or iB. An argument that begins with '-' but \
            is no option goes behind '--'.

            Exit status: 0 done; 1 no such key, or damage was found; 28 the pool, or the file \
            system it is to grow in, is full; 64 wrong usage; 65 damaged data, unknown format, or \
            a copy that was never completed; 66 no such pool; 73 cannot create; 74 input/output or \
            media error, or a medium that is not what was required; 75 the pool is in use by \
            another process.
            """,
        version: "pmemkv 0.1.0",
        subcommands: [
            Create.self, Info.self, Doctor.self, Put.self, Get.self, Delete.self, Exists.self,
            Count.self, Scan.self, Tables.self, Clear.self, Drop.self, Load.self, Dump.self,
            Shell.self, Stat.self, Check.self, Repair.self, Compact.self, Backup.self, Grow.self,
        ])

    static func main() {
        StandardDescriptors.occupy()
        // A reader that has gone shows as an error of write(2), so that the pool is closed.
        signal(SIGPIPE, SIG_IGN)
        // A limit on the size of files shows as an error, too, so that nothing half-made is left.
        signal(SIGXFSZ, SIG_IGN)
        UnfinishedFiles.removeOnSignals()
        do {
            var command = try parse()
            try command.run()
        } catch {
            Failure.exit(error)
        }
    }

    private static func parse() throws -> any ParsableCommand {
        do {
            try Usage.requireCommand(RawArguments.forParser)
            let command = try parseAsRoot(RawArguments.forParser)
            try RawArguments.requireText()
            return command
        } catch {
            try RawArguments.requireText()
            throw error
        }
    }
}
