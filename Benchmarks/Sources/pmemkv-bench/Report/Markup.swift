/// Text for HTML and SVG.
enum Markup {
    static func escape(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    static func element(_ name: String, _ attributes: [(String, String)], _ body: String? = nil)
        -> String
    {
        let list = attributes.map { " \($0.0)=\"\(escape($0.1))\"" }.joined()
        guard let body else { return "<\(name)\(list)/>" }
        return "<\(name)\(list)>\(body)</\(name)>"
    }

    /// A table whose cells are text; every column but the first is aligned to the right.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        func row(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\(escape($0))</\(tag)>" }.joined() + "</tr>"
        }
        return "<div class=\"scroll\"><table><thead>\(row(header, "th"))</thead><tbody>"
            + rows.map { row($0, "td") }.joined(separator: "\n") + "</tbody></table></div>"
    }
}

/// An SVG drawing: shapes carry classes, and the page's style sheet gives them their colours, so
/// that one drawing serves light and dark.
struct Drawing {
    let width: Double
    let height: Double
    let title: String
    private var shapes: [String] = []

    init(width: Double, height: Double, title: String) {
        self.width = width
        self.height = height
        self.title = title
    }

    private static func number(_ value: Double) -> String { Format.fixed(value, 1) }

    mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, style: String, tip: String
    ) {
        let attributes = [
            ("class", style), ("x", Self.number(x)), ("y", Self.number(y)),
            ("width", Self.number(max(width, 0.5))), ("height", Self.number(height)), ("rx", "2"),
        ]
        shapes.append(Markup.element("rect", attributes, "<title>\(Markup.escape(tip))</title>"))
    }

    mutating func line(x1: Double, y1: Double, x2: Double, y2: Double, style: String) {
        shapes.append(
            Markup.element(
                "line",
                [
                    ("class", style), ("x1", Self.number(x1)), ("y1", Self.number(y1)),
                    ("x2", Self.number(x2)), ("y2", Self.number(y2)),
                ]))
    }

    mutating func dot(x: Double, y: Double, radius: Double, style: String, tip: String) {
        shapes.append(
            Markup.element(
                "circle",
                [
                    ("class", style), ("cx", Self.number(x)), ("cy", Self.number(y)),
                    ("r", Self.number(radius)),
                ], "<title>\(Markup.escape(tip))</title>"))
    }

    mutating func text(
        _ text: String, x: Double, y: Double, anchor: String = "start", style: String = "label"
    ) {
        shapes.append(
            Markup.element(
                "text",
                [
                    ("class", style), ("x", Self.number(x)), ("y", Self.number(y)),
                    ("text-anchor", anchor),
                ], Markup.escape(text)))
    }

    var markup: String {
        Markup.element(
            "svg",
            [
                ("viewBox", "0 0 \(Self.number(width)) \(Self.number(height))"), ("role", "img"),
                ("aria-label", title), ("style", "max-width:\(Self.number(width))px"),
            ], "\n" + shapes.joined(separator: "\n") + "\n")
    }
}
