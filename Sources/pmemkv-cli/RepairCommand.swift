import ArgumentParser
import PmemKV
import PmemKVText

struct Repair: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Salvage what is readable of a damaged pool into a new one.",
        discussion: """
            The damaged pool is only read. With --replace the new pool takes its place when it \
            is complete. Owner and mode are those of the damaged pool. --require holds for both \
            pools. What could not be saved is listed. Exit status: 1 when the new pool does not \
            hold all that the old one held.
            """)

    @OptionGroup var pool: PoolArguments

    @Option(
        help: "The new pool's file; it must not exist.",
        completion: .file())
    var to: PoolPath?

    @Flag(help: "Put the new pool in the place of the damaged one, which is gone then.")
    var replace = false

    @Option(
        help: "Bytes of the new pool; as many as the old one has when not given.",
        transform: ByteSize.init(option:))
    var size: ByteSize?

    func validate() throws {
        guard (to == nil) == replace else {
            throw ValidationError(
                replace
                    ? "--to and --replace exclude each other: the new pool has one place."
                    : "Give a file for the new pool with --to, or --replace.")
        }
    }

    func run() throws {
        let destination = to ?? pool.pool
        let report = try onExisting(destination, "give another name with --to, or remove it") {
            try PmemStore.repair(
                at: pool.pool, to: to, size: size?.bytes, options: pool.options(readOnly: true))
        }
        var lines = report.damage.map(DamageText.line)
        lines += report.olderVersions.map { "only an older value of \(DamageText.key($0))" }
        lines += report.lostKeys.map { "no readable value of \(DamageText.key($0))" }
        if !report.guessedSegments.isEmpty {
            let segments = report.guessedSegments.map(String.init).joined(separator: ", ")
            lines.append("the state of segments \(segments) is unknown: removed keys may be back")
        }
        lines.append(summary(report))
        try ByteOutput().printLine(lines.map(EscapedText.printable).joined(separator: "\n"))
        if !report.isComplete { throw ExitCode(ExitStatus.notFound) }
    }

    private func summary(_ report: RepairReport) -> String {
        let kept = report.keys.counted("key") + " saved"
        guard !report.isComplete else { return kept + ", nothing lost" }
        let unnamed = report.damage.count { $0.kind == .record }
        let losses = [
            report.olderVersions.isEmpty
                ? nil : "\(report.olderVersions.count) of them with an older value",
            report.lostKeys.isEmpty ? nil : report.lostKeys.count.counted("key") + " lost",
            unnamed == 0 ? nil : unnamed.counted("damaged place") + " where a key is not readable",
            report.unknownSegments.isEmpty
                ? nil : report.unknownSegments.count.counted("segment") + " of unknown state",
        ]
        return ([kept] + losses.compactMap(\.self)).joined(separator: ", ")
    }
}
