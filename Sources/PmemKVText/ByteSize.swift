/// A number of bytes as a person writes it: `4096`, `64K`, `64MB`, `64MiB`, `0.5GiB`, `1tib`.
///
/// Units are binary however they are written: a pool is made of pages and powers of two, and who
/// writes `64M` or `64MB` here means 64 MiB.
package struct ByteSize: Sendable, Equatable {
    package let bytes: Int

    private static let units: [(letter: Character, shift: Int)] = [
        ("k", 10), ("m", 20), ("g", 30), ("t", 40),
    ]
    /// More digits than these say nothing that a size could hold.
    private static let maximumFractionDigits = 15

    package init(bytes: Int) { self.bytes = bytes }

    /// What the text means; an error when it is no size or does not fit 63 bits. A part of a byte
    /// is left out.
    package init(parsing text: String) throws(TextError) {
        let isDigit: (Character) -> Bool = { "0"..."9" ~= $0 }
        let whole = text.prefix(while: isDigit)
        var unit = text.dropFirst(whole.count)
        var fraction: Substring = ""
        if unit.first == "." {
            fraction = unit.dropFirst().prefix(while: isDigit)
            unit = unit.dropFirst(1 + fraction.count)
            guard 1...Self.maximumFractionDigits ~= fraction.count else { throw Self.wrong }
        }
        // Half a byte is no size.
        guard !whole.isEmpty, let shift = Self.shift(of: unit.lowercased()),
            fraction.isEmpty || shift > 0
        else { throw Self.wrong }
        guard let number = Int(whole) else { throw Self.tooLarge }
        var scale: Int128 = 1
        for _ in fraction { scale *= 10 }
        let sum = Int128(number) * scale + Int128(Int(fraction) ?? 0)
        guard let bytes = Int(exactly: (sum << Int128(shift)) / scale) else { throw Self.tooLarge }
        self.bytes = bytes
    }

    /// What stands behind the number: nothing, `B`, or a letter, alone or with `B` or `iB`.
    private static func shift(of unit: String) -> Int? {
        if unit.isEmpty || unit == "b" { return 0 }
        guard ["", "b", "ib"].contains(unit.dropFirst()) else { return nil }
        return units.first { $0.letter == unit.first }?.shift
    }

    private static let wrong = TextError(
        "a size is a number of bytes, or a number with K, M, G or T (also MB, MiB): 64MiB, 0.5G")
    private static let tooLarge = TextError("too large: a size is below 8388608 TiB")

    /// The size in the largest unit it fills, cut to one digit behind the point; nil below 1 KiB.
    package var inUnits: String? {
        for (letter, shift) in Self.units.reversed() where bytes >> shift > 0 {
            let tenths = ((bytes >> (shift - 10)) * 10) >> 10
            let fraction = tenths % 10 == 0 ? "" : ".\(tenths % 10)"
            return "\(tenths / 10)\(fraction) \(letter.uppercased())iB"
        }
        return nil
    }
}
