import PmemPlaces

extension PmemStore {
    /// Examines a path as a place for a store, and whether there is one: what
    /// `PlaceReport.examine` says, and a finding named `pool` where something is there.
    ///
    /// Changes nothing. A pool is looked at under a shared lock for as long as its table is read
    /// (64 bytes a segment). Safe to call from any thread.
    ///
    /// - Parameter io: how a store there would be opened.
    public static func examine(_ path: String, io: IOPath = .automatic) -> PlaceReport {
        var report = PlaceReport.examine(path, io: io)
        let isRefused = report.findings("place").first?.values["refused"] != .flag(false)
        let isUnreadable = report.findings("access").first?.values["may-read"] == .flag(false)
        guard !isRefused, !isUnreadable, report.kind == "file" || report.kind == "devdax",
            let finding = poolFinding(path)
        else { return report }
        report.findings.insert(finding, at: 1)
        return report
    }

    private static func poolFinding(_ path: String) -> PlaceReport.Finding? {
        var finding = PlaceReport.Finding(
            id: "pool", severity: .ok, what: "", why: "a store is opened where there is a pool",
            values: ["state": .text("pool"), "bytes": .unknown])
        do throws(StoreError) {
            let geometry = try geometry(at: path)
            finding.what = "\(path) is a pool of \(geometry.poolSize) bytes"
            finding.values["bytes"] = .number(geometry.poolSize)
            return finding
        } catch {
            finding.what = error.message
            finding.severity = .problem
            switch error.code {
            case .notAPool: describeStranger(path, in: &finding)
            case .unsupportedVersion: finding.values["state"] = .text("other-version")
            case .corrupt, .media:
                finding.values["state"] = .text("damaged")
                finding.remedy = "pmemkv check \(path.shellWord)"
            case .locked:
                finding.severity = .note
                finding.values["state"] = .text("in-use")
            default: return nil
            }
            return finding
        }
    }

    private static func describeStranger(_ path: String, in finding: inout PlaceReport.Finding) {
        finding.values["state"] = .text("none")
        if PlaceFacts.inspect(path: path).kind == .devdax {
            finding.severity = .note
            finding.remedy = "pmemkv create \(path.shellWord)  # takes all of the device"
        } else {
            finding.why = "a store is not opened in a file that holds something else"
            finding.remedy = "name another file; create --force destroys what is in this one"
        }
    }

    private static func geometry(at path: String) throws(StoreError) -> Geometry {
        let file = try PoolFile.open(PoolPath(path), readOnly: true)
        let (medium, _) = try MediumOpening.open(file, io: file.isDevdax ? .automatic : .syscalls)
        defer { medium.close() }
        var damage = DamageLog(.strict)
        return try PoolTable(reading: medium, path: path, log: &damage).geometry
    }
}
