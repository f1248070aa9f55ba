import CBench
import Foundation
import PmemPlaces

/// The machine and the medium a result belongs to.
struct RunEnvironment: Codable, Sendable {
    var cpu: String
    var processors: Int
    var memoryBytes: Int
    var kernel: String
    /// CONFIG_HARDENED_USERCOPY as it is in force: on, off, not built or unknown.
    var hardenedUsercopy: String
    /// Whether the kernel copies to and from DAX without that check: present, absent or unknown.
    var hasUsercopyBypass: String
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
        let facts = KernelFacts()
        kernel = facts.release ?? "unknown"
        hardenedUsercopy = facts.usercopy.rawValue
        hasUsercopyBypass = facts.hasUsercopyBypass.map { $0 ? "present" : "absent" } ?? "unknown"
        libpmem = "\(PMEM_MAJOR_VERSION).\(PMEM_MINOR_VERSION) (interface)"
        #if swift(>=6.3)
            swift = "6.3 or later"
        #else
            swift = "6.2"
        #endif
        self.path = path
        let place = PlaceFacts.inspect(path: path)
        fileSystem = place.fileSystemOrDevice
        isDAX = place.isDAX ?? place.newFileIsDAX()
        self.pmemForced = pmemForced
        hasAutoFlush = LibpmemFacts.current().hasAutoFlush
    }

    private static func cpuModel() -> String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
            ?? "unknown"
    }
}

extension PlaceFacts {
    /// What a report calls the place.
    var fileSystemOrDevice: String { kind == .devdax ? "devdax" : fileSystem ?? "unknown" }
}
