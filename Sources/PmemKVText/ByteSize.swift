/// A number of bytes as a person writes it: `4096`, `64KiB`, `64MiB`, `4GiB`, `1TiB`.
///
/// Only binary units, and only with their `iB`: `64MB` and `64M` mean different things to
/// different people, so both are refused.
package struct ByteSize: Sendable, Equatable {
    package let bytes: Int

    private static let units: [(name: String, shift: Int)] = [
        ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40),
    ]

    package init(bytes: Int) { self.bytes = bytes }

    /// What the text means; nil when it is no size or does not fit 63 bits.
    package init?(_ text: String) {
        let digits = text.prefix { "0"..."9" ~= $0 }
        let unit = text.dropFirst(digits.count)
        guard let number = Int(digits) else { return nil }
        if unit.isEmpty || unit == "B" {
            bytes = number
            return
        }
        guard let shift = Self.units.first(where: { $0.name == unit })?.shift else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow else { return nil }
        bytes = product
    }

    /// The size in the largest unit it fills, cut to one digit behind the point; nil below 1 KiB.
    package var inUnits: String? {
        for (name, shift) in Self.units.reversed() where bytes >> shift > 0 {
            let tenths = ((bytes >> (shift - 10)) * 10) >> 10
            let fraction = tenths % 10 == 0 ? "" : ".\(tenths % 10)"
            return "\(tenths / 10)\(fraction) \(name)"
        }
        return nil
    }
}
