extension Int {
    /// So many of what the word, in the singular, stands for: `1 record`, `2 records`.
    package func counted(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}
