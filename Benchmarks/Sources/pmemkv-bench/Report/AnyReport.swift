import ArgumentParser
import Foundation

/// A result file of either kind.
enum AnyReport {
    case kv(KVReport)
    case io(IOReport)

    private struct Kind: Decodable {
        var schema: Int
        var kind: String
    }

    init(path: String) throws {
        do {
            let kind = try JSONFile.read(Kind.self, from: path)
            guard kind.schema == 1 else {
                throw ValidationError("\(path) has schema \(kind.schema); this program knows 1")
            }
            switch kind.kind {
            case "kv": self = .kv(try JSONFile.read(KVReport.self, from: path))
            case "io": self = .io(try JSONFile.read(IOReport.self, from: path))
            default: throw ValidationError("\(path): unknown kind '\(kind.kind)'")
            }
        } catch is DecodingError {
            throw ValidationError(
                "\(path) is no result file; `kv --json FILE` and `io --json FILE` write one")
        }
    }

    var sections: [String] {
        switch self {
        case .kv(let report): KVPage.sections(report)
        case .io(let report): IOPage.sections(report)
        }
    }
}
