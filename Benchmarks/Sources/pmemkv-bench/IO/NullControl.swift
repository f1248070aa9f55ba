/// The sentence every comparison ends with. On a kernel with the usercopy bypass, where struct page
/// lies cannot matter to pread and pwrite: if they differ between map=dev and map=mem all the same,
/// something else differs too, and no other difference of the run may be believed.
enum NullControl {
    static func statement(_ report: IOReport) -> String? {
        guard report.plan.compare.count == 2 else { return nil }
        let facts = report.plan.compare.compactMap { name in
            report.targets.first { $0.name == name }
        }
        guard facts.count == 2 else { return nil }
        let controls = report.comparisons.filter(\.isNullControl)
        guard !controls.isEmpty else {
            return "null control: not run (neither pread nor pwrite was measured on both targets)"
        }
        let apart = controls.filter(\.ratio.isBeyondNoise)
        // Of many 95 % intervals some miss by chance.
        let byChance = max(1, controls.count / 10)
        let verdict =
            apart.isEmpty
            ? "holds: no difference beyond noise in \(controls.count) configurations"
            : apart.count <= byChance
                ? "holds: \(apart.count) of \(controls.count) intervals exclude 1, no more than "
                    + "chance allows (\(names(apart)))"
                : "FAILS: \(apart.count) of \(controls.count) differ (\(names(apart)))"
        return "null control (pread/pwrite, \(describe(facts, report))): \(verdict)"
    }

    private static func names(_ comparisons: [IOComparison]) -> String {
        comparisons.map {
            "\($0.configuration.label) x\(Format.fixed($0.ratio.ratio, 2))"
        }.joined(separator: ", ")
    }

    /// What the two targets are to each other decides what the control can say.
    private static func describe(_ facts: [TargetFacts], _ report: IOReport) -> String {
        let places = facts.map(\.device.structPages)
        let bypass = report.environment.hasUsercopyBypass
        if places[0] != places[1] {
            return "struct page in \(places[0]) against \(places[1]), kernel bypass \(bypass)"
        }
        return "both targets keep struct page in \(places[0]), so this compares a medium with "
            + "itself (an A/A run) or two media; it says nothing about placement"
    }
}
