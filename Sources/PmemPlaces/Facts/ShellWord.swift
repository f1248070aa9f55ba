// Remedies name commands to paste, and a path may hold blanks and what else a shell takes apart.

extension String {
    /// The text as one word of a shell's command line.
    package var shellWord: String {
        let plain = { (byte: UInt8) in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
                || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || UInt8(ascii: "-")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "_")
        }
        if !isEmpty, utf8.allSatisfy(plain) { return self }
        return "'"
            + split(separator: "'", omittingEmptySubsequences: false)
            .joined(separator: "'\\''") + "'"
    }
}
