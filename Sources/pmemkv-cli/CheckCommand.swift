import ArgumentParser
import PmemKV
import PmemKVText

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Read every byte in use and report all damage.",
        discussion: """
            Nothing is changed. Files are read with read(2) unless --io says otherwise, so that \
            a media error is reported and does not end the check. Exit status: 1 when damage was \
            found.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var json: JSONOption

    func run() throws {
        let report = try PmemStore.check(at: pool.pool, options: pool.options(readOnly: true))
        try ByteOutput().printLine(json.isJSON ? self.json(report) : text(report))
        if !report.isSound { throw ExitCode(ExitStatus.notFound) }
    }

    private func text(_ report: CheckReport) -> String {
        let lines = report.damage.map(DamageText.line)
        let sound = report.soundRecords.counted("sound record")
        let damage =
            report.isSound ? "no damage" : report.damage.count.counted("damaged place")
        var end = "\(pool.pool.shown): \(sound), \(damage)"
        if report.unusedBytes > 0 {
            end += "; \(report.unusedBytes.counted("byte")) behind the pool, not used"
        }
        return (lines + [end]).map(EscapedText.printable).joined(separator: "\n")
    }

    private func json(_ report: CheckReport) -> String {
        JSON.object([
            ("schema", 1), ("path", .text(pool.pool.shown)), ("sound", .flag(report.isSound)),
            ("soundRecords", .integer(report.soundRecords)),
            ("soundBytes", .integer(report.soundBytes)), ("extents", .integer(report.extents)),
            ("unusedBytes", .integer(report.unusedBytes)),
            ("damage", .list(report.damage.map(DamageText.json))),
        ]).description
    }
}

/// How damage is told, by `check` and by `repair`.
enum DamageText {
    static func line(_ damage: Damage) -> String {
        let segment = damage.segment.map { ", segment \($0)" } ?? ""
        let key = damage.key.map { ", key \(Self.key($0))" } ?? ""
        return "\(damage.kind.rawValue) at offset \(damage.offset)\(segment)\(key): "
            + damage.reason
    }

    static func json(_ damage: Damage) -> JSON {
        .object([
            ("kind", .text(damage.kind.rawValue)), ("offset", .integer(damage.offset)),
            ("segment", damage.segment.map(JSON.integer) ?? .null),
            ("key", damage.key.map(base64) ?? .null), ("reason", .text(damage.reason)),
        ])
    }

    /// A key as the shell quotes it.
    static func key(_ key: [UInt8]) -> String {
        var text: [UInt8] = []
        key.withUnsafeBytes { ShellWords.quote($0, into: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    static func base64(_ key: [UInt8]) -> JSON {
        var text: [UInt8] = []
        key.withUnsafeBytes { Base64.append($0, to: &text) }
        return .text(String(decoding: text, as: UTF8.self))
    }
}
