/// A plain table: the first column to the left, figures to the right.
struct TextTable {
    var header: [String]
    var rows: [[String]] = []

    func render() -> String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String]) -> String {
            cells.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
        return ([line(header), rule] + rows.map(line)).joined(separator: "\n")
    }
}

/// Figures as people read them.
enum Format {
    static func rate(_ perSecond: Double) -> String {
        switch perSecond {
        case 1e6...: fixed(perSecond / 1e6, 2) + "M"
        case 1e3...: fixed(perSecond / 1e3, 1) + "k"
        default: fixed(perSecond, 0)
        }
    }

    static func nanoseconds(_ value: Double) -> String {
        switch value {
        case 1e9...: fixed(value / 1e9, 2) + "s"
        case 1e6...: fixed(value / 1e6, 1) + "ms"
        case 1e4...: fixed(value / 1e3, 1) + "us"
        default: fixed(value, 0) + "ns"
        }
    }

    /// 1 us, 10 us: for the marks of a scale.
    static func decade(_ nanoseconds: Double) -> String {
        switch nanoseconds {
        case 1e9...: fixed(nanoseconds / 1e9, 0) + " s"
        case 1e6...: fixed(nanoseconds / 1e6, 0) + " ms"
        case 1e3...: fixed(nanoseconds / 1e3, 0) + " us"
        default: fixed(nanoseconds, 0) + " ns"
        }
    }

    static func seconds(_ value: Double) -> String { nanoseconds(value * 1e9) }

    static func bytes(_ value: Int) -> String {
        switch value {
        case (1 << 30)...: fixed(Double(value) / Double(1 << 30), 1) + " GiB"
        case (1 << 20)...: fixed(Double(value) / Double(1 << 20), 0) + " MiB"
        case (1 << 10)...: fixed(Double(value) / 1024, 0) + " KiB"
        default: "\(value) B"
        }
    }

    /// Without Foundation's formatter: deterministic and independent of the locale.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "-" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        let whole = Int(scaled / scale)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        if digits == 0 { return sign + "\(whole)" }
        let part = Int(scaled - Double(whole) * scale)
        let text = "\(part)"
        return sign + "\(whole)." + String(repeating: "0", count: digits - text.count) + text
    }
}
