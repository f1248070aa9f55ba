import PmemKVText

/// Facts in a fixed order, as aligned lines for people or as one JSON object.
struct FactSheet {
    private var facts: [(name: String, value: JSON, text: String?)] = []

    /// Adds a fact; `text` is what people see, when it is not the value itself.
    mutating func add(_ name: String, _ value: JSON, text: String? = nil) {
        facts.append((name, value, text))
    }

    mutating func add(bytes: Int, _ name: String) {
        let inUnits = ByteSize(bytes: bytes).inUnits
        add(name, .integer(bytes), text: inUnits.map { "\(bytes) (\($0))" })
    }

    /// JSON members are named in camelCase, the lines for people with blanks.
    func print(json: Bool, to output: ByteOutput) throws(Failure) {
        if json {
            let members: [(String, JSON)] = [("schema", 1)] + facts.map { ($0.name, $0.value) }
            return try output.printLine(JSON.object(members).description)
        }
        let labels = facts.map { Self.label($0.name) + ":" }
        let width = (labels.map(\.count).max() ?? 0) + 1
        let lines = zip(labels, facts).map { label, fact in
            label + String(repeating: " ", count: width - label.count)
                + (fact.text ?? Self.text(fact.value))
        }
        try output.printLine(lines.joined(separator: "\n"))
    }

    private static func text(_ value: JSON) -> String {
        switch value {
        case .text(let text): EscapedText.printable(text)
        case .flag(let flag): flag ? "yes" : "no"
        case .null: "-"
        case .list(let items): items.isEmpty ? "none" : items.map(text).joined(separator: ", ")
        default: value.description
        }
    }

    private static func label(_ name: String) -> String {
        var label = ""
        var wasUpper = true
        for character in name {
            if character.isUppercase && !wasUpper { label += " " }
            label += wasUpper ? String(character) : character.lowercased()
            wasUpper = character.isUppercase
        }
        return label
    }
}
