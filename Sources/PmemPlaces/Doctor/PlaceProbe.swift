// The doctor's experiments on the place itself: extents, and whether 2 MiB mappings really come
// about; beside them what the one on MAP_SYNC gave (MapSync.swift). Tests make results up;
// `run(on:)` asks the kernel.
//
// Invariant: nothing is changed and no byte of a mapping is loaded (see cpmem_probe.h).

import CPmem
import SystemPackage

/// What the experiments gave. A nil means that an experiment was not made or did not work.
package struct PlaceProbe: Sendable, Equatable {
    /// One run of a file that lies in one piece on the block device.
    package struct Extent: Sendable, Equatable {
        package var logical: Int
        package var physical: Int
        package var length: Int
        package var flags: UInt32

        package init(logical: Int, physical: Int, length: Int, flags: UInt32 = 0) {
            self.logical = logical
            self.physical = physical
            self.length = length
            self.flags = flags
        }
    }

    /// How many of the 2 MiB pieces that were tried the kernel maps with one entry.
    package struct HugeShare: Sendable, Equatable {
        package var tried: Int
        package var huge: Int
        /// What smaps says of the same mapping, in bytes.
        package var smapsBytes: Int?

        package init(tried: Int, huge: Int, smapsBytes: Int?) {
            self.tried = tried
            self.huge = huge
            self.smapsBytes = smapsBytes
        }
    }

    package var synchronous: MapSync
    /// Whether a file made in the directory is DAX.
    package var newFileIsDAX: Bool?
    package var extents: [Extent]?
    package var hugeShare: HugeShare?

    package init(
        synchronous: MapSync, newFileIsDAX: Bool? = nil, extents: [Extent]? = nil,
        hugeShare: HugeShare? = nil
    ) {
        self.synchronous = synchronous
        self.newFileIsDAX = newFileIsDAX
        self.extents = extents
        self.hugeShare = hugeShare
    }
}

extension PlaceProbe {
    /// Files with more extents than this are not examined further.
    private static let extentLimit = 1 << 18
    private static let extentBatch = 1024
    /// This many 2 MiB pieces, spread over the file, are tried.
    private static let hugeSamples = 64

    package static func run(on facts: PlaceFacts) -> PlaceProbe {
        let (answer, newFileIsDAX) = facts.tryMapSync()
        var probe = PlaceProbe(synchronous: answer, newFileIsDAX: newFileIsDAX)
        guard facts.kind == .regularFile else { return probe }
        let extents = extents(of: facts.location)
        probe.extents = extents
        if facts.isDAX == true, facts.devices.allSatisfy(\.badRanges.isEmpty) {
            probe.hugeShare = hugeShare(
                of: facts.location, size: facts.status?.size ?? 0, extents: extents ?? [])
        }
        return probe
    }

    private static func extents(of path: FilePath) -> [Extent]? {
        var found: [Extent] = []
        var batch = [cpmem_probe_extent](repeating: cpmem_probe_extent(), count: extentBatch)
        var start: UInt64 = 0
        while found.count < extentLimit {
            var count = 0
            let failure = unsafe path.withPlatformString {
                unsafe cpmem_probe_extents($0, start, &batch, batch.count, &count)
            }
            guard failure == 0 else { return nil }
            for extent in batch[..<count] {
                found.append(
                    Extent(
                        logical: Int(clamping: extent.logical),
                        physical: Int(clamping: extent.physical),
                        length: Int(clamping: extent.length), flags: extent.flags))
            }
            guard count == extentBatch, let last = found.last else { return found }
            start = UInt64(last.logical) + UInt64(last.length)
        }
        return nil
    }

    private static func hugeShare(
        of path: FilePath, size: Int, extents: [Extent]
    ) -> HugeShare? {
        let huge = HugeExtents.pageBytes
        let pieces = HugeExtents.writtenPieces(extents, size: size)
        guard !pieces.isEmpty else { return nil }
        var mapping = cpmem_probe_mapping()
        let length = size / huge * huge
        let failure = unsafe path.withPlatformString {
            unsafe cpmem_probe_map($0, length, &mapping)
        }
        guard failure == 0 else { return nil }
        defer { unsafe cpmem_probe_unmap(&mapping) }
        var share = HugeShare(tried: 0, huge: 0, smapsBytes: nil)
        for index in HugeExtents.spread(pieces.count, limit: hugeSamples) {
            var faults: UInt64 = 0
            let failure = unsafe cpmem_probe_populate(
                &mapping, pieces[index] * huge, huge, &faults)
            guard failure == 0 else { continue }
            share.tried += 1
            // A fault on the way (of this program's own pages) must not hide a huge entry.
            if faults <= 8 { share.huge += 1 }
        }
        let smaps = SystemRoot().text("/proc/self/smaps")
        share.smapsBytes = smaps.flatMap {
            MemoryMap.hugeBytes(smaps: $0, address: Int(clamping: mapping.address))
        }
        return share.tried > 0 ? share : nil
    }
}

/// Reading /proc/self/smaps.
package enum MemoryMap {
    /// The bytes of the mapping at `address` that are in 2 MiB entries; nil when smaps does not
    /// list the mapping.
    package static func hugeBytes(smaps: String, address: Int) -> Int? {
        let start = String(address, radix: 16) + "-"
        var isWanted = false
        var bytes: Int?
        for line in smaps.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let name = fields.first else { continue }
            if !name.hasSuffix(":") {
                if isWanted { return bytes }
                isWanted = name.hasPrefix(start)
                if isWanted { bytes = 0 }
            } else if isWanted, name == "FilePmdMapped:" || name == "ShmemPmdMapped:",
                fields.count > 1, let kibibytes = Int(fields[1])
            {
                bytes = (bytes ?? 0) + kibibytes * 1024
            }
        }
        return bytes
    }
}
