import Testing

@testable import pmemkv_bench

@Suite struct ReportTests {
    @Test(arguments: [
        ("4.9.337", KernelBypass.unknown), ("4.14.122", .absent), ("4.14.123", .present),
        ("5.0.19", .absent), ("5.0.20", .present), ("5.1.5", .absent), ("5.1.6-arch1", .present),
        ("5.2.0", .present), ("6.1.0-56-amd64", .present), ("nonsense", .unknown),
    ])
    func kernelsWithTheBypass(_ release: String, _ expected: KernelBypass) {
        #expect(KernelBypass(release: release) == expected)
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
