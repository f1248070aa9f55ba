// Findings about what this user may do at the place, and what fits there.

import Glibc

extension Examination {
    /// The size that advice names when there is room for it.
    private static let usualBytes = 1 << 30
    /// Below this much room there is none for a store.
    static let leastBytes = 1 << 20

    /// Whether a new file can be made here, as far as rights and room go.
    var permitsNewFile: Bool {
        facts.status?.mayWrite != false && facts.status?.isReadOnly != true && !isFull
    }

    var isFull: Bool { (facts.status?.freeBytes ?? .max) < Self.leastBytes }

    /// The command that makes a store here, of a size that fits; nil when none can be made.
    func creation(of path: String) -> String? {
        guard permitsNewFile else { return nil }
        var bytes = Self.usualBytes
        while bytes > facts.status?.freeBytes ?? .max { bytes /= 2 }
        let size = Self.size(bytes).replacing(" ", with: "")
        return "pmemkv create \(path.shellWord) --size \(size)"
    }

    /// A name that is not taken in the directory.
    var freeName: String {
        let directory = directory.withSlash
        let names = ["store.pool"] + (2...99).map { "store\($0).pool" }
        return directory + (names.first { !root.exists(directory + $0) } ?? "NAME")
    }

    func access() -> PlaceReport.Finding? {
        // What a read-only file system forbids, its own finding says.
        guard let status = facts.status, let mayRead = status.mayRead,
            let mayWrite = status.mayWrite, status.isReadOnly != true
        else { return nil }
        let isNew = facts.isDirectory || facts.kind == .missing
        let place = isNew ? directory : facts.path
        var finding = PlaceReport.Finding(
            id: "access", severity: .ok,
            what: isNew
                ? "this user may make files in \(place)"
                : "this user may read and write \(place)",
            why: "a store is opened with the rights of the user who opens it",
            values: [
                "may-read": .flag(mayRead), "may-write": .flag(mayWrite),
                "owner": .optional(status.owner.map(Int.init)),
            ])
        if isNew {
            guard !mayWrite else { return finding }
            finding.severity = .problem
            finding.what = "this user may not make files in \(place)"
            finding.why = "a store cannot be created here"
        } else if !mayRead {
            finding.severity = .problem
            finding.what = "this user may not read \(place)"
            finding.why = "a store in it cannot be opened"
        } else if !mayWrite {
            finding.severity = .warning
            finding.what = "this user may read \(place), and not write it"
            finding.why = "a store in it can be opened for reading only"
        } else {
            return finding
        }
        finding.remedy = accessRemedy(place, status, isNew: isNew)
        return finding
    }

    private func accessRemedy(_ place: String, _ status: PathStatus, isNew: Bool) -> String? {
        guard let owner = status.owner else { return nil }
        if owner == geteuid() { return "chmod u+rw\(isNew ? "x" : "") \(place.shellWord)" }
        let name = owner == 0 ? "root" : "the user with number \(owner)"
        return "sudo -u '#\(owner)' pmemkv COMMAND  # \(name) owns \(place)"
    }
}
