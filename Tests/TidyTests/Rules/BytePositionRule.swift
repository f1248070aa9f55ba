/// No byte position of the medium is written as a number outside Format.
///
/// What Index and Support lay out lies in DRAM, in structures of their own, and no other room and
/// no other version of the library ever sees it: rooms that own DRAM layouts write their positions
/// where they need them. All other rooms, and code outside the rooms, are under the rule.
///
/// A position is recognised where it is used: as a byte offset of a load or a store, in an address
/// that is loaded from or stored to, and in a sum with something that is called an address, an
/// offset, or bytes. In such a sum a number counts when a field can lie there: ten or more, and a
/// multiple of four. So what rounds up (`+ 63`) is no position.
enum BytePositionRule: Rule {
    static let name = "byte positions"

    private static let ownersOfLayouts: [Room] = [.format, .index, .support]
    private static let offsetLabels: Set = ["fromByteOffset", "toByteOffset"]
    private static let accesses: Set = [
        "load", "loadUnaligned", "storeBytes", "assumingMemoryBound", "bindMemory",
    ]
    private static let addressEndings = [
        "address", "base", "bytes", "header", "line", "location", "offset", "pointer", "position",
        "start", "words",
    ]

    static func violations(in tree: SourceTree) -> [Violation] {
        tree.library.filter { file in
            !(file.room.map(ownersOfLayouts.contains) ?? false)
        }.flatMap { file in
            positions(file.tokens).map {
                file.violation(
                    name, line: file.tokens[$0].line,
                    "the byte position \(file.tokens[$0].text) is written as a number")
            }
        }
    }

    /// The numbers that say where a byte is.
    private static func positions(_ tokens: [Token]) -> Set<Int> {
        let numbers = tokens.indices.filter { tokens[$0].kind == .number }
        return Set(numbers.filter { isAddedToAddress(tokens, at: $0) })
            .union(tokens.indices.flatMap { offsets(tokens, labelledAt: $0) })
    }

    /// The numbers in the argument behind a label for a byte offset. One is enough to count from
    /// one element to the next; alone every number is a position.
    private static func offsets(_ tokens: [Token], labelledAt label: Int) -> [Int] {
        let isAdvance = tokens.isWord("by", at: label) && tokens.isWord("advanced", at: label - 2)
        guard isAdvance || offsetLabels.contains(tokens[label].text),
            tokens.isSymbol(":", at: label + 1)
        else { return [] }
        var end = label + 2
        var depth = 0
        while end < tokens.count {
            if tokens[end].isSymbol("(") { depth += 1 }
            if tokens[end].isSymbol(")") { depth -= 1 }
            if depth < 0 || depth == 0 && tokens[end].isSymbol(",") { break }
            end += 1
        }
        let argument = label + 2..<end
        return argument.filter {
            tokens[$0].kind == .number && (argument.count == 1 || value(tokens[$0].text) ?? 2 > 1)
        }
    }

    /// Whether a number is the right side of a sum that is an address or an offset.
    private static func isAddedToAddress(_ tokens: [Token], at index: Int) -> Bool {
        guard tokens.isSymbol("+", at: index - 1) || tokens.isSymbol("-", at: index - 1),
            let number = value(tokens[index].text)
        else { return false }
        if tokens.isSymbol(")", at: index + 1), tokens.isSymbol(".", at: index + 2),
            let access = tokens.at(index + 3)?.text, accesses.contains(access)
        {
            return true
        }
        let summand = tokens.isSymbol("&", at: index - 2) ? index - 3 : index - 2
        guard number >= 10, number % 4 == 0, let name = operandName(tokens, endingAt: summand)
        else { return false }
        return addressEndings.contains { name.lowercased().hasSuffix($0) }
    }

    /// What the left side of a sum is called: the last name of a path, or of a call the function's.
    private static func operandName(_ tokens: [Token], endingAt end: Int) -> String? {
        var index = end
        if tokens.isSymbol("!", at: index) { index -= 1 }
        guard tokens.isSymbol(")", at: index) else {
            return tokens.at(index)?.isName == true ? tokens[index].text : nil
        }
        var depth = 0
        repeat {
            if tokens.isSymbol(")", at: index) { depth += 1 }
            if tokens.isSymbol("(", at: index) { depth -= 1 }
            index -= 1
        } while depth > 0 && index > 0
        return tokens.at(index)?.isName == true ? tokens[index].text : nil
    }

    private static func value(_ text: String) -> Int? {
        let digits = text.replacing("_", with: "")
        let radices = ["0x": 16, "0o": 8, "0b": 2]
        guard let radix = radices[String(digits.prefix(2))] else { return Int(digits) }
        return Int(digits.dropFirst(2), radix: radix)
    }
}
