import Foundation

/// The results of a `goals` run as they are written to JSON.
struct GoalReport: Codable, Sendable {
    struct Line: Codable, Sendable {
        var goal: Goal
        var measurement: GoalMeasurement
        /// Nil when there is no measurement.
        var isMet: Bool?

        init(_ measurement: GoalMeasurement) {
            goal = GoalTable.goal(measurement.row)
            self.measurement = measurement
            isMet = measurement.value.map(goal.isMet)
        }
    }

    var schema = 1
    var kind = "goals"
    var command: [String]
    var date: String
    var environment: RunEnvironment
    var clock: CheapClock
    var plan: GoalPlan
    var lines: [Line]
    var seconds: Double
    var notes: [String]

    /// Rows that do not reach their goal, those without a measurement not among them.
    var missed: [Line] { lines.filter { $0.isMet == false } }

    func render() -> String {
        var table = TextTable(header: [
            "row", "goal", "measured", "", "middle half", "by CPU", "store", "reference",
        ])
        for line in lines { table.rows.append(Self.cells(line)) }
        let met = lines.filter { $0.isMet == true }.count
        let unknown = lines.filter { $0.isMet == nil }.count
        return [
            "GOALS at \(Format.rate(Double(plan.keys))) keys on \(environment.path) "
                + "(\(environment.fileSystem)), disk \(plan.disk); "
                + "\(environment.processors) x \(environment.cpu)",
            table.render(), legend(),
            "\(met) met, \(missed.count) missed, \(unknown) not measured, in "
                + "\(Format.fixed(seconds, 0)) s",
        ].joined(separator: "\n\n")
    }

    private static func cells(_ line: Line) -> [String] {
        let (goal, found) = (line.goal, line.measurement)
        func text(_ number: Double?, _ format: (Double) -> String) -> String {
            number.map(format) ?? ""
        }
        let isRatio = goal.unit == .times
        let range =
            found.low.flatMap { low in
                found.high.map { "\(goal.text(low)) - \(goal.text($0))" }
            } ?? ""
        return [
            goal.row.rawValue, "\(goal.bound.rawValue) \(goal.text(goal.limit))",
            found.value.map(goal.text) ?? "-",
            line.isMet.map { $0 ? "met" : "MISSED" } ?? "not measured",
            range, isRatio ? text(found.byCPU, goal.text) : "",
            text(found.nanoseconds, Format.nanoseconds),
            text(found.referenceNanoseconds, Format.nanoseconds),
        ]
    }

    /// What each row is, and what it is a ratio to.
    private func legend() -> String {
        lines.map { line in
            let (goal, remark) = (line.goal, line.measurement.remark)
            return "\(goal.row.rawValue): \(goal.what); to: \(goal.reference)"
                + (remark.map { " [\($0)]" } ?? "")
        }.joined(separator: "\n")
    }
}
