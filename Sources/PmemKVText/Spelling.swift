/// Finds the word that was probably meant.
package enum Spelling {
    /// The known word that the fewest changes make of what was written; nil when even that takes
    /// more than a third of the longer one's letters, or when there is none.
    package static func nearest(to word: String, among known: [String]) -> String? {
        let best = known.map { (word: $0, distance: distance(word.lowercased(), $0)) }
            .min { $0.distance < $1.distance }
        guard let best, best.distance * 3 <= max(word.count, best.word.count) else { return nil }
        return best.word
    }

    /// Letters put in, left out, changed, or swapped with their neighbour.
    ///
    /// - Complexity: O(product of the lengths).
    static func distance(_ first: String, _ second: String) -> Int {
        let first = Array(first.unicodeScalars)
        let second = Array(second.unicodeScalars)
        var rows = [Array(0...second.count)]
        for (i, letter) in first.enumerated() {
            var row = [i + 1]
            for (j, other) in second.enumerated() {
                var least = min(row[j], rows[i][j + 1]) + 1
                least = min(least, rows[i][j] + (letter == other ? 0 : 1))
                if i > 0, j > 0, letter == second[j - 1], other == first[i - 1] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[first.count][second.count]
    }
}
