import Foundation

/// What sysfs says about the persistent-memory device behind a path.
///
/// The entry of the device (a pmemN block device or a daxX.Y character device) lies below the pfn
/// or dax device of libnvdimm whose `mode` names the place of struct page: `ram` or `pmem`.
struct DeviceFacts: Codable, Sendable {
    /// pmem0, dax0.0; nil when no such device is behind the path.
    var device: String?
    /// "DRAM" (map=mem), "device" (map=dev), or why it does not matter.
    var structPages: String
    var alignment: Int?
    var numaNode: Int?
    /// Distance of the device's node from this process's node, as in numactl --hardware.
    var numaDistance: Int?
    /// Physical range of the data, and where the device begins: struct page lies between the two
    /// when it is on the device.
    var dataStart: UInt64?
    var dataSize: UInt64?
    var memmapStart: UInt64?

    var structPagesOnDevice: Bool { structPages.hasPrefix("device") }

    init(path: String) {
        structPages = "DRAM (ordinary memory)"
        guard let start = Self.sysfsEntry(of: path) else { return }
        device = (start as NSString).lastPathComponent
        structPages = "no struct page found in sysfs"
        var place = start
        while place != "/sys/devices", place != "/" {
            if let mode = Self.read(place + "/mode"), mode == "ram" || mode == "pmem" {
                structPages = mode == "ram" ? "DRAM (map=mem)" : "device (map=dev)"
                dataStart = Self.number(place + "/resource")
                dataSize = Self.number(place + "/size")
                alignment = Self.number(place + "/align").map(Int.init)
            }
            if numaNode == nil, let node = Self.number(place + "/numa_node") {
                numaNode = Int(truncatingIfNeeded: node)
            }
            if alignment == nil { alignment = Self.number(place + "/align").map(Int.init) }
            place = (place as NSString).deletingLastPathComponent
        }
        memmapStart = Self.namespaceStart(below: place, dataStart)
        if let numaNode, numaNode >= 0 { numaDistance = Self.distance(to: numaNode) }
    }

    static func size(of device: String) throws -> Int {
        guard let entry = sysfsEntry(of: device), let size = number(entry + "/size") else {
            throw BenchError("\(device): sysfs does not tell its size")
        }
        return Int(size)
    }

    /// The directory below /sys/devices of a character device, or of the block device a file is on.
    private static func sysfsEntry(of path: String) -> String? {
        var facts = stat()
        guard stat(path, &facts) == 0 else { return nil }
        let isCharacter = facts.st_mode & S_IFMT == S_IFCHR
        let number = UInt64(isCharacter ? facts.st_rdev : facts.st_dev)
        let major = (number >> 8) & 0xfff
        let minor = (number & 0xff) | ((number >> 12) & 0xfff00)
        let link = "/sys/dev/\(isCharacter ? "char" : "block")/\(major):\(minor)"
        guard FileManager.default.fileExists(atPath: link) else { return nil }
        let resolved = URL(fileURLWithPath: link).resolvingSymlinksInPath().path
        let name = (resolved as NSString).lastPathComponent
        return name.hasPrefix("pmem") || name.hasPrefix("dax") ? resolved : nil
    }

    /// Where the namespace that holds the data begins: struct page lies between it and the data.
    private static func namespaceStart(below root: String, _ data: UInt64?) -> UInt64? {
        guard let data else { return nil }
        let devices = "/sys/bus/nd/devices"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: devices)) ?? []
        return names.filter { $0.hasPrefix("namespace") }
            .compactMap { name -> UInt64? in
                guard let start = number("\(devices)/\(name)/resource"),
                    let size = number("\(devices)/\(name)/size"), size > 0,
                    start <= data, data < start + size
                else { return nil }
                return start
            }.max()
    }

    private static func distance(to node: Int) -> Int? {
        let here =
            read("/sys/devices/system/node/online")?.split { $0 == "-" || $0 == "," }
            .first.flatMap { Int($0) } ?? 0
        guard let text = read("/sys/devices/system/node/node\(here)/distance") else { return nil }
        let distances = text.split(separator: " ").compactMap { Int($0) }
        return node < distances.count ? distances[node] : nil
    }

    private static func read(_ path: String) -> String? {
        (try? String(contentsOfFile: path, encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func number(_ path: String) -> UInt64? {
        guard let text = read(path) else { return nil }
        if text.hasPrefix("0x") { return UInt64(text.dropFirst(2), radix: 16) }
        return UInt64(text)
    }
}
