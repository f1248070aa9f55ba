import CBench
import Foundation

/// What a target is, found out by looking and by trying; stands beside every figure taken on it.
struct TargetFacts: Codable, Sendable {
    var name: String
    var path: String
    var bytes: Int
    var fileSystem: String
    var isDAX: Bool?
    var acceptsMapSync: Bool
    var isPmem: Bool
    var device: DeviceFacts
    /// Size of the pages the mapping really has: bytes stored to, divided by the faults they took.
    var mappedPageBytes: Int

    init(_ target: IOTarget) throws {
        name = target.name
        path = target.path
        bytes = target.size
        fileSystem = target.isDevice ? "devdax" : Mount.of(target.path)?.type ?? "unknown"
        let dax = bench_is_dax(target.path)
        isDAX = target.isDevice ? true : dax < 0 ? nil : dax == 1
        acceptsMapSync = target.mapSyncAccepted
        isPmem = pmem_is_pmem(target.base, target.size) == 1
        device = DeviceFacts(path: target.path)
        mappedPageBytes = try Self.pageSize(target)
    }

    /// A fresh mapping, every 4 KiB of it stored to once: nothing is prefaulted, so each page of
    /// the mapping, whatever its size, costs one fault.
    private static func pageSize(_ target: IOTarget) throws -> Int {
        let bytes = min(target.size, 32 << 20)
        let (base, _) = try IOTarget.map(target.descriptor, bytes)
        defer { munmap(base, bytes) }
        let before = ProcessUsage.minorFaults
        for offset in stride(from: 0, to: bytes, by: 4096) {
            bench_store(base + offset, UInt64(offset))
        }
        let faults = max(1, ProcessUsage.minorFaults - before)
        return bytes / faults >= 1 << 20 ? 2 << 20 : 4096
    }

    var lines: [String] {
        var first = "\(name): \(path), \(Format.bytes(bytes)), \(fileSystem)"
        first += isDAX == true ? ", DAX" : ", not DAX"
        var second = "  MAP_SYNC \(acceptsMapSync ? "accepted" : "refused"), libpmem is_pmem="
        second += isPmem ? "1" : "0"
        second += ", pages of \(Format.bytes(mappedPageBytes)), struct page in \(device.structPages)"
        if let alignment = device.alignment { second += ", aligned to \(Format.bytes(alignment))" }
        if let node = device.numaNode { second += ", node \(node)" }
        if let distance = device.numaDistance { second += " at distance \(distance)" }
        return [first, second]
    }
}
