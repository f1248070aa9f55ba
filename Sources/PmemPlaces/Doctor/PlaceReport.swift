// What the doctor has to say about a place: a list of findings in a fixed order, each with what
// it is, why it matters and the remedy. The identifiers and the names of values
// are a stable interface; the sentences are not.

import SystemPackage

/// A report on a path as a place for a store.
public struct PlaceReport: Sendable {
    /// How much a finding should worry an operator.
    public enum Severity: String, Sendable, Comparable {
        /// As it should be.
        case ok
        /// Worth knowing.
        case note
        /// Works, but slower or with a weaker promise than this hardware can give.
        case warning
        /// A store here is refused, or would lose data.
        case problem

        private var rank: Int {
            switch self {
            case .ok: 0
            case .note: 1
            case .warning: 2
            case .problem: 3
            }
        }

        public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
    }

    /// A fact a program can use without reading the sentences.
    public enum Value: Sendable, Equatable {
        case text(String)
        case number(Int)
        case flag(Bool)
        case list([String])
        case unknown
    }

    /// One thing the doctor found.
    public struct Finding: Sendable, Equatable {
        /// Names the kind of finding, as `map-sync`; stable.
        public var id: String
        /// The device the finding is about; nil when it is about the path or the machine.
        public var subject: String?
        public var severity: Severity
        /// What is the case, in one sentence.
        public var what: String
        /// Why that matters for a store.
        public var why: String
        /// What to do about it, a command where there is one (what follows a `#` is a comment);
        /// nil when nothing needs to be changed.
        public var remedy: String?
        /// The facts behind the sentences, by stable names.
        public var values: [String: Value]

        package init(
            id: String, subject: String? = nil, severity: Severity, what: String, why: String,
            remedy: String? = nil, values: [String: Value]
        ) {
            self.id = id
            self.subject = subject
            self.severity = severity
            self.what = what
            self.why = why
            self.remedy = remedy
            self.values = values
        }
    }

    /// The path as it was given.
    public internal(set) var path: String
    /// `file`, `directory`, `mount-point`, `block-device`, `devdax`, `missing` or `other`.
    public internal(set) var kind: String
    public package(set) var findings: [Finding]

    /// The worst severity of any finding.
    public var severity: Severity { findings.map(\.severity).max() ?? .ok }

    /// The findings of one kind.
    public func findings(_ id: String) -> [Finding] { findings.filter { $0.id == id } }
}

extension PlaceReport {
    /// Examines a path. Changes nothing; needs no privileges, but sysfs shows physical addresses
    /// (and with them the alignment of extents) to root only.
    ///
    /// May take a second on a large file with many extents. Safe to call from any thread.
    ///
    /// - Parameter io: how a store there would be opened.
    public static func examine(_ path: String, io: IOPath = .automatic) -> PlaceReport {
        examine(.inspect(path: path), io: io)
    }

    /// The same for a path that need not be text.
    public static func examine(_ path: FilePath, io: IOPath = .automatic) -> PlaceReport {
        examine(.inspect(path: path), io: io)
    }

    /// The same for a path that was looked at.
    package static func examine(_ facts: PlaceFacts, io: IOPath) -> PlaceReport {
        examine(
            facts, probe: PlaceProbe.run(on: facts), root: SystemRoot(), libpmem: .current(),
            io: io)
    }

    /// Turns facts into findings.
    ///
    /// - Parameters:
    ///   - facts: what the path is.
    ///   - probe: what the experiments on it gave.
    ///   - root: where the facts about kernel, nodes and process are read.
    ///   - libpmem: what libpmem does in the process.
    ///   - io: how a store there would be opened.
    package static func examine(
        _ facts: PlaceFacts, probe: PlaceProbe, root: SystemRoot,
        libpmem: LibpmemFacts, io: IOPath = .automatic
    ) -> PlaceReport {
        let examination = Examination(
            facts: facts, probe: probe, root: root, kernel: KernelFacts(root: root),
            libpmem: libpmem, io: io)
        var report = PlaceReport(path: facts.path, kind: facts.kind.rawValue, findings: [])
        report.findings += examination.placeFindings()
        guard facts.isWorthExamining else { return report }
        report.findings += examination.durabilityFindings()
        report.findings += examination.mappingFindings()
        report.findings += examination.deviceFindings()
        report.findings += examination.nodeFindings()
        report.findings += examination.kernelFindings()
        return report
    }
}

extension PlaceFacts {
    /// Whether there is a medium to say more about: a place for a store, or a device that is
    /// refused for what it is.
    var isWorthExamining: Bool {
        switch kind {
        case .regularFile, .directory, .mountPoint: !isKernelInterface
        case .missing: refusal == nil
        case .devdax: true
        case .blockDevice: !devices.isEmpty
        case .other: false
        }
    }
}

/// Everything the rules look at. Each group of rules is an extension in a file of its own.
struct Examination {
    let facts: PlaceFacts
    let probe: PlaceProbe
    let root: SystemRoot
    let kernel: KernelFacts
    let libpmem: LibpmemFacts
    let io: IOPath

    /// The directory in which a file is, or would be.
    var directory: String {
        switch facts.kind {
        case .directory, .mountPoint: facts.path
        default: facts.parentPath
        }
    }

    /// `/dev/pmem0` or, with device-mapper, `/dev/mapper/name`.
    var blockPath: String {
        if let name = facts.block?.mapperName { return "/dev/mapper/" + name }
        return facts.block.map { "/dev/" + $0.name } ?? "DEVICE"
    }
}
