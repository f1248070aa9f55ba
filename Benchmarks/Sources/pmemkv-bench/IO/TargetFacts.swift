import CBench
import Foundation
import PmemPlaces

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
    /// What one store fault really maps: bytes stored to, divided by the faults they took. With DAX
    /// that is the size of the page; the page cache may map a large folio at once.
    var bytesPerFault: Int

    init(_ target: IOTarget) throws {
        name = target.name
        path = target.path
        bytes = target.size
        let place = PlaceFacts.inspect(path: target.path)
        fileSystem = place.fileSystemOrDevice
        isDAX = place.isDAX
        acceptsMapSync = target.mapSyncAccepted
        isPmem = LibpmemFacts.current().isPmem(acceptingMapSync: acceptsMapSync)
        device = DeviceFacts(place)
        bytesPerFault = try Self.measureFaults(target)
    }

    /// A fresh mapping, every 4 KiB of it stored to once: nothing is prefaulted, so each page of
    /// the mapping, whatever its size, costs one fault.
    private static func measureFaults(_ target: IOTarget) throws -> Int {
        let bytes = min(target.size, 32 << 20)
        let (base, _) = try IOTarget.map(target.descriptor, bytes)
        defer { munmap(base, bytes) }
        let before = ProcessUsage.minorFaults
        for offset in stride(from: 0, to: bytes, by: 4096) {
            bench_store(base + offset, UInt64(offset))
        }
        let faults = max(1, ProcessUsage.minorFaults - before)
        // Faults of the process besides the mapping's own make the quotient a little too small.
        var size = 4096
        while size < bytes / faults { size *= 2 }
        return size
    }

    var lines: [String] {
        var first = "\(name): \(path), \(Format.bytes(bytes)), \(fileSystem)"
        first += isDAX == true ? ", DAX" : ", not DAX"
        var second = "  MAP_SYNC \(acceptsMapSync ? "accepted" : "refused"), libpmem is_pmem="
        second += isPmem ? "1" : "0"
        second +=
            ", a store fault maps \(Format.bytes(bytesPerFault))"
            + ", struct page in \(device.structPages)"
        if let alignment = device.alignment { second += ", aligned to \(Format.bytes(alignment))" }
        if let node = device.numaNode { second += ", node \(node)" }
        if let distance = device.numaDistance { second += " at distance \(distance)" }
        return [first, second]
    }
}
