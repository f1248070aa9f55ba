import PmemPlaces
import SystemPackage

extension PmemStore {
    /// Examines a path as a place for a store, and whether there is one: what
    /// `PlaceReport.examine` says, and a finding named `pool` where something is there.
    ///
    /// Changes nothing. A pool is looked at under a shared lock for as long as its table is read
    /// (64 bytes a segment). Safe to call from any thread.
    ///
    /// - Parameter io: how a store there would be opened.
    public static func examine(_ path: String, io: IOPath = .automatic) -> PlaceReport {
        // No pool has a path with a zero byte.
        guard let place = try? PoolPath(path) else { return PlaceReport.examine(path, io: io) }
        return examine(place, io: io)
    }

    /// The same for a path that need not be text.
    public static func examine(_ path: FilePath, io: IOPath = .automatic) -> PlaceReport {
        examine(PoolPath(path), io: io)
    }

    package static func examine(_ place: PoolPath, io: IOPath) -> PlaceReport {
        let facts = place.inspect()
        var report = PlaceReport.examine(facts, io: io)
        let isRefused = report.findings("place").first?.values["refused"] != .flag(false)
        let isUnreadable = report.findings("access").first?.values["may-read"] == .flag(false)
        guard !isRefused, !isUnreadable, report.kind == "file" || report.kind == "devdax",
            let finding = poolFinding(place, facts)
        else { return report }
        report.findings.insert(finding, at: 1)
        return report
    }

    private static func poolFinding(
        _ place: PoolPath, _ facts: PlaceFacts
    ) -> PlaceReport.Finding? {
        var finding = PlaceReport.Finding(
            id: "pool", severity: .ok, what: "", why: "a store is opened where there is a pool",
            values: ["state": .text("pool"), "bytes": .unknown])
        do throws(StoreError) {
            let size = try size(of: place).bytes
            finding.what = "\(place.shown) is a pool of \(size) bytes"
            finding.values["bytes"] = .number(size)
            return finding
        } catch {
            finding.what = error.message
            finding.severity = .problem
            switch error.code {
            case .notAPool: describeStranger(facts, in: &finding)
            case .unsupportedVersion: finding.values["state"] = .text("other-version")
            case .corrupt, .media:
                finding.values["state"] = .text("damaged")
                finding.remedy = "pmemkv check \(place.shown.shellWord)"
            case .locked:
                finding.severity = .note
                finding.values["state"] = .text("in-use")
            default: return nil
            }
            return finding
        }
    }

    private static func describeStranger(
        _ facts: PlaceFacts, in finding: inout PlaceReport.Finding
    ) {
        finding.values["state"] = .text("none")
        if facts.kind == .devdax {
            finding.severity = .note
            finding.remedy = "pmemkv create \(facts.path.shellWord)  # takes all of the device"
        } else {
            finding.why = "a store is not opened in a file that holds something else"
            finding.remedy = "name another file; create --force destroys what is in this one"
        }
    }

    private static func size(of place: PoolPath) throws(StoreError) -> PoolSize {
        let medium = try openForSurvey(place, OpenOptions())
        defer { medium.close() }
        var damage = DamageLog(.strict)
        return try PoolTable(reading: medium, path: place.shown, log: &damage).size
    }
}
