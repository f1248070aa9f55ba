// What the running kernel does to read(2) and write(2) on DAX: whether it has the bypass of the
// hardened-usercopy check, which reads struct page and is slow when that lies on the device, and
// whether the check is on at all.

/// Facts about the running kernel.
public struct KernelFacts: Sendable, Equatable {
    /// Whether the hardened-usercopy check is made.
    public enum Usercopy: String, Sendable {
        case on, off, unknown
        /// The kernel was built without it.
        case notBuilt = "not built"
    }

    /// The release string: `6.1.0-56-amd64`.
    public var release: String?
    /// Whether this version copies to and from pmem without the check; nil when the number alone
    /// cannot tell.
    public var hasUsercopyBypass: Bool?
    public var usercopy: Usercopy
    /// What decided `usercopy`.
    package var usercopySource: String?

    /// No copy is checked.
    package var isUsercopyOff: Bool { usercopy == .off || usercopy == .notBuilt }

    /// Looks at this machine's kernel.
    public init() { self.init(root: SystemRoot()) }

    package init(root: SystemRoot) {
        release = root.value("/proc/sys/kernel/osrelease")
        hasUsercopyBypass = release.flatMap(KernelVersion.init).flatMap(Self.bypass)
        usercopy = .unknown
        readUsercopy(root)
    }

    /// Commit 52f476a323f9 is in 5.2 and was taken into three stable series. It is certain for no
    /// other series: 4.19 took many of the same patches, older ones have other code.
    private static func bypass(_ version: KernelVersion) -> Bool? {
        if version >= KernelVersion(5, 2, 0) { return true }
        switch (version.major, version.minor) {
        case (5, 1): return version.patch >= 6
        case (5, 0): return version.patch >= 20
        case (4, 14): return version.patch >= 123
        case (4, 19): return version.patch >= 47 ? nil : false
        case (4, 15...): return false
        default: return nil
        }
    }

    private mutating func readUsercopy(_ root: SystemRoot) {
        let config = Self.configuration(release: release, root)
        if let config, config.lines["CONFIG_HARDENED_USERCOPY"] != "y" {
            usercopy = .notBuilt
            usercopySource = config.path
            return
        }
        if let parameter = Self.parameter(root.text("/proc/cmdline") ?? "") {
            usercopy = parameter ? .on : .off
            usercopySource = "hardened_usercopy= on the kernel command line"
            return
        }
        guard let config else { return }
        let isDefaultOff = config.lines["CONFIG_HARDENED_USERCOPY_DEFAULT_ON"] == "n"
        usercopy = isDefaultOff ? .off : .on
        usercopySource = config.path
    }

    /// The last `hardened_usercopy=` on the command line; the kernel takes the words of strtobool.
    private static func parameter(_ commandLine: String) -> Bool? {
        var setting: Bool?
        for word in commandLine.split(whereSeparator: { $0 == " " || $0 == "\n" })
        where word.hasPrefix("hardened_usercopy=") {
            switch word.dropFirst("hardened_usercopy=".count).lowercased() {
            case "1", "y", "yes", "on", "t", "true": setting = true
            case "0", "n", "no", "off", "f", "false": setting = false
            default: break
            }
        }
        return setting
    }

    /// The CONFIG lines about hardened usercopy: `y` when set, `n` when named as not set.
    /// What the kernel carries in itself comes first: the files beside it are found by its name,
    /// which two builds can share.
    private static func configuration(
        release: String?, _ root: SystemRoot
    ) -> (path: String, lines: [String: String])? {
        let own = "/proc/config.gz"
        if let text = root.uncompressedText(own) { return (own, usercopyLines(text)) }
        guard let release else { return nil }
        let candidates = [
            "/boot/config-\(release)", "/lib/modules/\(release)/config",
            "/usr/lib/modules/\(release)/config", "/lib/modules/\(release)/build/.config",
        ]
        for path in candidates {
            if let text = root.text(path) { return (path, usercopyLines(text)) }
        }
        return nil
    }

    private static func usercopyLines(_ configuration: String) -> [String: String] {
        var lines: [String: String] = [:]
        for line in configuration.split(separator: "\n") where line.contains("HARDENED_USERCOPY") {
            if line.hasPrefix("# "), line.hasSuffix(" is not set") {
                lines[String(line.dropFirst(2).dropLast(" is not set".count))] = "n"
            } else if let equals = line.firstIndex(of: "=") {
                lines[String(line[..<equals])] = String(line[line.index(after: equals)...])
            }
        }
        return lines
    }
}

/// The number at the start of a kernel release.
struct KernelVersion: Comparable {
    let major: Int
    let minor: Int
    let patch: Int

    init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// - Parameter release: `5.0.20`, `6.18-rc3`, `4.14.123-generic`; nil without two numbers.
    init?(_ release: String) {
        let number = release.prefix { $0 == "." || ($0.isASCII && $0.isNumber) }
        let parts = number.split(separator: ".").compactMap { Int($0) }
        guard parts.count >= 2 else { return nil }
        self.init(parts[0], parts[1], parts.count > 2 ? parts[2] : 0)
    }

    static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
}
