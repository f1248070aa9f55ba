import PmemPlaces

/// The persistent-memory device behind a target, as a report shows it.
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

    init(_ place: PlaceFacts) {
        structPages = "DRAM (ordinary memory)"
        guard let memory = place.directDevice else { return }
        device = memory.name
        structPages =
            switch memory.pageMap {
            case "ram": "DRAM (map=mem)"
            case "pmem": "device (map=dev)"
            default: "no struct page found in sysfs"
            }
        alignment = memory.alignmentBytes
        numaNode = memory.numaNode
        numaDistance = numaNode.flatMap { NodeFacts().distance(to: $0) }
        dataStart = memory.physicalAddress.map { UInt64($0) }
        dataSize = memory.sizeBytes.map { UInt64($0) }
        memmapStart = memory.namespaceAddress.map { UInt64($0) }
    }
}
