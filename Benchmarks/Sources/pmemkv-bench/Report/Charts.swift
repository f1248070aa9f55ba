import Foundation

/// The three charts of the report. All are rows with a label at the left and one horizontal scale,
/// because engines have long names and there are many of them.
enum Chart {
    static let labelWidth = 176.0
    static let plotWidth = 420.0
    static let rowHeight = 20.0
    static let top = 8.0

    struct Bar {
        var label: String
        var value: Double
        var low: Double
        var high: Double
        var style: String
        var note: String
        var tip: String
    }

    /// Bars from zero, whiskers from the least to the greatest repetition, the figure at the end.
    static func bars(_ bars: [Bar], title: String) -> String {
        let largest = bars.map { max($0.value, $0.high) }.max() ?? 1
        let noteWidth = 150.0
        var drawing = Drawing(
            width: labelWidth + plotWidth + noteWidth,
            height: top * 2 + rowHeight * Double(bars.count), title: title)
        func x(_ value: Double) -> Double { labelWidth + value / largest * plotWidth }
        for (row, bar) in bars.enumerated() {
            let y = top + Double(row) * rowHeight
            drawing.text(bar.label, x: labelWidth - 8, y: y + 14, anchor: "end")
            drawing.rectangle(
                x: labelWidth, y: y + 3, width: x(bar.value) - labelWidth, height: rowHeight - 6,
                style: bar.style, tip: bar.tip)
            if bar.high > bar.low {
                drawing.line(
                    x1: x(bar.low), y1: y + rowHeight / 2, x2: x(bar.high), y2: y + rowHeight / 2,
                    style: "whisker")
            }
            drawing.text(bar.note, x: x(max(bar.value, bar.high)) + 6, y: y + 14, style: "figure")
        }
        drawing.line(
            x1: labelWidth, y1: top, x2: labelWidth,
            y2: top + rowHeight * Double(bars.count), style: "axis")
        return drawing.markup
    }

    struct Span {
        var label: String
        /// p50, p90, p99, p99.9 in ns.
        var points: [Double]
        var style: String
    }

    /// Percentiles on a logarithmic scale: a line from p50 to p99.9, a dot for each.
    static func latencies(_ spans: [Span], title: String) -> String {
        let all = spans.flatMap(\.points).filter { $0 > 0 }
        let first = floor(log10(all.min() ?? 1))
        let last = ceil(log10(all.max() ?? 10))
        let scale = Logarithmic(
            low: first, high: max(last, first + 1), start: labelWidth, width: plotWidth)
        let bottom = top + rowHeight * Double(spans.count)
        var drawing = Drawing(
            width: labelWidth + plotWidth + 40, height: bottom + 24, title: title)
        scale.drawGrid(&drawing, top: top, bottom: bottom) { Format.decade($0) }
        let names = ["p50", "p90", "p99", "p99.9"]
        for (row, span) in spans.enumerated() {
            let y = top + Double(row) * rowHeight + rowHeight / 2
            drawing.text(span.label, x: labelWidth - 8, y: y + 4, anchor: "end")
            let places = span.points.map { scale.place(max($0, 1)) }
            drawing.line(x1: places.first!, y1: y, x2: places.last!, y2: y, style: "span")
            for (index, place) in places.enumerated() {
                drawing.dot(
                    x: place, y: y, radius: [5, 4, 3.2, 2.6][index], style: span.style,
                    tip: "\(span.label) \(names[index]): "
                        + Format.nanoseconds(span.points[index]))
            }
        }
        return drawing.markup
    }

    struct Interval {
        var label: String
        var ratio: RatioInterval
    }

    /// Ratios with their intervals around one.
    static func intervals(_ intervals: [Interval], title: String) -> String {
        let finite = intervals.flatMap { [$0.ratio.low, $0.ratio.high] }.filter(\.isFinite)
        let reach = min(4, max(1.25, finite.map { max($0, 1 / max($0, 0.01)) }.max() ?? 2))
        let wide = labelWidth + 80
        func x(_ ratio: Double) -> Double {
            let bounded = min(reach, max(1 / reach, ratio))
            return wide + plotWidth * (log(bounded) / log(reach) + 1) / 2
        }
        let bottom = top + rowHeight * Double(intervals.count)
        var drawing = Drawing(width: wide + plotWidth + 90, height: bottom + 24, title: title)
        for mark in [1 / reach, 1, reach] {
            drawing.line(x1: x(mark), y1: top, x2: x(mark), y2: bottom, style: "grid")
            drawing.text(
                Format.fixed(mark, 2), x: x(mark), y: bottom + 16, anchor: "middle", style: "tick")
        }
        for (row, interval) in intervals.enumerated() {
            let y = top + Double(row) * rowHeight + rowHeight / 2
            let ratio = interval.ratio
            drawing.text(interval.label, x: wide - 8, y: y + 4, anchor: "end")
            drawing.line(x1: x(ratio.low), y1: y, x2: x(ratio.high), y2: y, style: "whisker")
            drawing.dot(
                x: x(ratio.ratio), y: y, radius: 4, style: ratio.isBeyondNoise ? "ours" : "floor",
                tip: "\(Format.fixed(ratio.ratio, 3)) (\(Format.fixed(ratio.low, 3)) to "
                    + "\(Format.fixed(ratio.high, 3)))")
            drawing.text(
                Format.fixed(ratio.ratio, 2) + (ratio.isBeyondNoise ? "" : " n.s."),
                x: wide + plotWidth + 12, y: y + 4, style: "figure")
        }
        return drawing.markup
    }
}

/// Decades between two powers of ten.
struct Logarithmic {
    var low: Double
    var high: Double
    var start: Double
    var width: Double

    func place(_ value: Double) -> Double { start + (log10(value) - low) / (high - low) * width }

    func drawGrid(
        _ drawing: inout Drawing, top: Double, bottom: Double, _ name: (Double) -> String
    ) {
        for decade in Int(low)...Int(high) {
            let value = pow(10, Double(decade))
            drawing.line(
                x1: place(value), y1: top, x2: place(value), y2: bottom, style: "grid")
            drawing.text(
                name(value), x: place(value), y: bottom + 16, anchor: "middle", style: "tick")
        }
    }
}
