import Testing

@testable import pmemkv_bench

@Suite struct ReportTests {
    /// Reports are compared with older ones, which use these words.
    @Test func theEnvironmentIsToldInTheWordsOfAllReports() {
        let environment = RunEnvironment(path: "/proc", pmemForced: false)
        #expect(["on", "off", "not built", "unknown"].contains(environment.hardenedUsercopy))
        #expect(["present", "absent", "unknown"].contains(environment.hasUsercopyBypass))
        #expect(environment.fileSystem == "proc" && environment.isDAX != true)
    }

    @Test(arguments: [
        (1.005, 2, "1.01"), (0.0, 1, "0.0"), (-0.04, 1, "0.0"), (-1.25, 1, "-1.3"),
        (999.999, 2, "1000.00"), (12.0, 0, "12"),
    ])
    func fixedPoint(_ value: Double, _ digits: Int, _ expected: String) {
        // 1.005 is a little less than that in binary, so both roundings are right.
        let text = Format.fixed(value, digits)
        #expect(text == expected || value == 1.005 && text == "1.00")
    }

    @Test func regressionNeedsBothThresholdAndNoise() {
        let lines = [
            Regression.Line(
                name: "slower", old: 100, new: 80, greaterIsBetter: true, isOutsideNoise: true),
            Regression.Line(
                name: "noise", old: 100, new: 80, greaterIsBetter: true, isOutsideNoise: false),
            Regression.Line(
                name: "small", old: 100, new: 95, greaterIsBetter: true, isOutsideNoise: true),
            Regression.Line(
                name: "larger", old: 10, new: 20, greaterIsBetter: false, isOutsideNoise: true),
        ]
        let regression = Regression(lines: lines, remarks: [])
        #expect(regression.worse(threshold: 0.1).map(\.name) == ["slower", "larger"])
        #expect(regression.better(threshold: 0.1).isEmpty)
    }

    @Test func markupIsEscaped() {
        #expect(Markup.table(["<a>"], [["x & \"y\""]]).contains("<th>&lt;a&gt;</th>"))
        #expect(Markup.escape("x & \"y\"") == "x &amp; &quot;y&quot;")
    }
}
