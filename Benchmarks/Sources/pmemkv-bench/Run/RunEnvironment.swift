import CBench
import Foundation

/// The machine and the medium a result belongs to.
struct RunEnvironment: Codable, Sendable {
    var cpu: String
    var processors: Int
    var memoryBytes: Int
    var kernel: String
    var hardenedUsercopy: HardenedUsercopy
    var hasUsercopyBypass: KernelBypass
    var libpmem: String
    var swift: String
    var path: String
    var fileSystem: String
    var isDAX: Bool?
    var pmemForced: Bool
    /// libpmem's answer: the processor's caches are in the persistence domain.
    var hasAutoFlush: Bool

    init(path: String, pmemForced: Bool) {
        let info = ProcessInfo.processInfo
        cpu = Self.cpuModel()
        processors = info.activeProcessorCount
        memoryBytes = Int(info.physicalMemory)
        kernel = Self.kernelRelease()
        hardenedUsercopy = HardenedUsercopy.current()
        hasUsercopyBypass = KernelBypass(release: kernel)
        libpmem = "\(PMEM_MAJOR_VERSION).\(PMEM_MINOR_VERSION) (interface)"
        #if swift(>=6.3)
            swift = "6.3 or later"
        #else
            swift = "6.2"
        #endif
        self.path = path
        (fileSystem, isDAX) = Mount.kind(of: path, isDevice: KVRunner.isDevice(path))
        self.pmemForced = pmemForced
        hasAutoFlush = pmem_has_auto_flush() == 1
    }

    private static func cpuModel() -> String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
            ?? "unknown"
    }

    static func kernelRelease() -> String {
        ((try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8)) ?? "unknown")
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

/// CONFIG_HARDENED_USERCOPY as it is in force.
enum HardenedUsercopy: String, Codable, Sendable {
    case on, off
    case notBuilt = "not built"
    case unknown

    /// The boot parameter decides when given; else the default of the build.
    static func current() -> HardenedUsercopy {
        let commandLine = (try? String(contentsOfFile: "/proc/cmdline", encoding: .utf8)) ?? ""
        let config = kernelConfig()
        guard let config else { return given(commandLine) ?? .unknown }
        guard config.contains("\nCONFIG_HARDENED_USERCOPY=y") else { return .notBuilt }
        if let given = given(commandLine) { return given }
        let hasDefault = config.contains("CONFIG_HARDENED_USERCOPY_DEFAULT_ON")
        return !hasDefault || config.contains("\nCONFIG_HARDENED_USERCOPY_DEFAULT_ON=y")
            ? .on : .off
    }

    private static func given(_ commandLine: String) -> HardenedUsercopy? {
        let words = commandLine.split { $0 == " " || $0 == "\n" }
        guard let word = words.last(where: { $0.hasPrefix("hardened_usercopy=") }) else {
            return nil
        }
        return ["off", "0", "n", "no"].contains(word.split(separator: "=").last.map(String.init))
            ? .off : .on
    }

    private static func kernelConfig() -> String? {
        let path = "/boot/config-" + RunEnvironment.kernelRelease()
        if let text = try? String(contentsOfFile: path, encoding: .utf8) { return text }
        guard FileManager.default.fileExists(atPath: "/proc/config.gz") else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/zcat")
        process.arguments = ["/proc/config.gz"]
        let pipe = Pipe()
        process.standardOutput = pipe
        guard (try? process.run()) != nil else { return nil }
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}

/// Whether a kernel copies to and from DAX without the usercopy check: since 5.2, and in the stable
/// releases 4.14.123, 5.0.20 and 5.1.6 and those after them.
enum KernelBypass: String, Codable, Sendable {
    case present, absent, unknown

    init(release: String) {
        let parts = release.prefix { $0.isNumber || $0 == "." }.split(separator: ".").map {
            Int($0)
        }
        guard parts.count >= 2, let major = parts[0], let minor = parts[1] else {
            self = .unknown
            return
        }
        let patch = parts.count > 2 ? parts[2] ?? 0 : 0
        switch (major, minor) {
        case (6..., _), (5, 2...): self = .present
        case (5, 1): self = patch >= 6 ? .present : .absent
        case (5, 0): self = patch >= 20 ? .present : .absent
        case (4, 14): self = patch >= 123 ? .present : .absent
        default: self = .unknown
        }
    }
}

/// The mount a path is on.
struct Mount {
    var source: String
    var point: String
    var type: String
    var options: String

    /// The file system's type, and whether it bypasses the page cache there, if it says so.
    static func kind(of path: String, isDevice: Bool) -> (fileSystem: String, isDAX: Bool?) {
        if isDevice { return ("devdax", true) }
        let dax = bench_is_dax(path)
        return (of(path)?.type ?? "unknown", dax < 0 ? nil : dax == 1)
    }

    static func of(_ path: String) -> Mount? {
        guard let text = try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8) else {
            return nil
        }
        var resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        if !resolved.hasPrefix("/") { resolved = "/" + resolved }
        let mounts = text.split(separator: "\n").compactMap { line -> Mount? in
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 4 else { return nil }
            return Mount(source: words[0], point: words[1], type: words[2], options: words[3])
        }
        return mounts.last(where: { mount in
            mount.point == longest(mounts, containing: resolved)
        })
    }

    private static func longest(_ mounts: [Mount], containing path: String) -> String? {
        mounts.map(\.point)
            .filter { path == $0 || $0 == "/" || path.hasPrefix($0 + "/") }
            .max { $0.count < $1.count }
    }
}
