// Wrong words on the command line, and what was probably meant.

import ArgumentParser
import PmemKVText

enum Usage {
    /// The first word, or the one behind `help`, must be a command: the parser knows only that
    /// there are words too many, and has general help for what it does not know.
    static func requireCommand(_ words: [String]) throws(Failure) {
        let word = words.first == "help" ? words.dropFirst().first : words.first
        guard let word, !word.isEmpty, !word.hasPrefix("-") else { return }
        let commands = Pmemkv.configuration.subcommands.map { $0.configuration }
        let known = commands.flatMap { [$0.commandName ?? ""] + $0.aliases } + ["help"]
        guard !known.contains(word) else { return }
        let meant = Spelling.nearest(to: word, among: known).map { "; did you mean '\($0)'?" }
        throw Failure(
            ExitStatus.usage,
            "there is no command '\(word)'\(meant ?? ";") 'pmemkv --help' lists them")
    }

    /// The parser's text on wrong arguments, with control characters escaped, and with what helps
    /// when a key or a value was taken for an option.
    static func explained(_ error: any Error, _ fullText: String) -> String {
        guard !fullText.isEmpty else { return "" }
        let message = Pmemkv.message(for: error)
        // The parser's own text has lines; a line end among the words must not make one.
        let wordsHaveLines = CommandLine.arguments.contains { $0.contains { $0.isNewline } }
        var text = fullText
        if wordsHaveLines, let range = text.firstRange(of: message) {
            text.replaceSubrange(range, with: EscapedText.printable(message))
        }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if let hint = hint(message) { lines.insert(hint, at: min(1, lines.count)) }
        text = lines.map(EscapedText.printable).joined(separator: "\n")
        return text.hasSuffix("\n") ? text : text + "\n"
    }

    private static func hint(_ message: String) -> String? {
        if message.hasPrefix("Unknown option") {
            return "Hint:  A key or a value that begins with '-' goes behind '--', "
                + "as in `pmemkv put POOL -- KEY -5`."
        }
        if message.hasPrefix("Missing value for") {
            return "Hint:  A value that begins with '-' is joined to its option by '=', "
                + "as in `--from=-5`."
        }
        return nil
    }
}
