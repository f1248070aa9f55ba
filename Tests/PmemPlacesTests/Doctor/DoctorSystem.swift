// What the doctor's tests share: a made-up machine with a name for each medium, and its report.

import CZlib
import Foundation
import PmemPlaces
import Testing

extension MadeUpSystem {
    /// Nodes with processors, and a process that may run on all of them.
    func nodes(_ lists: [Int: String], allowed: String) throws {
        for (node, list) in lists {
            try file("/sys/devices/system/node/node\(node)/cpulist", list)
        }
        try file("/proc/self/status", "Name:\tx\nCpus_allowed_list:\t\(allowed)")
    }

    func kernel(_ release: String, commandLine: String = "quiet", config: String? = nil) throws {
        try file("/proc/sys/kernel/osrelease", release)
        try file("/proc/cmdline", commandLine)
        if let config { try file("/boot/config-" + release, config) }
    }

    /// A file compressed by gzip.
    func compressedFile(_ path: String, _ content: String) throws {
        try file(path, "")
        let file = try #require(gzopen(directory + path, "wb"))
        let written = gzputs(file, content)
        #expect(gzclose(file) == Z_OK && written == content.utf8.count)
    }

    /// Turns a byte in the middle of a file.
    func damage(_ path: String) throws {
        let url = URL(fileURLWithPath: directory + path)
        var content = try Data(contentsOf: url)
        content[content.count / 2] ^= 0xFF
        try content.write(to: url)
    }

    /// A fsdax file on /dev/pmem0, mounted at /mnt.
    func daxFile(isDAX: Bool? = true, size: Int = 64 << 20, blockBytes: Int = 4096) throws
        -> PlaceFacts
    {
        try mount(device: "259:0", at: "/mnt", type: "ext4", source: "/dev/pmem0")
        return file(on: .init(259, 0), isDAX: isDAX, size: size, blockBytes: blockBytes)
    }

    func file(
        on device: PathStatus.Device, isDAX: Bool? = true, size: Int = 64 << 20,
        blockBytes: Int = 4096
    ) -> PlaceFacts {
        PlaceFacts.inspect(
            path: "/mnt/store", root: root,
            status: PathStatus(
                resolvedPath: "/mnt/store", type: .regular, size: size, device: device,
                isDAX: isDAX, blockBytes: blockBytes))
    }

    func devdaxFacts(_ name: String) -> PlaceFacts {
        PlaceFacts.inspect(
            path: "/dev/" + name, root: root,
            status: PathStatus(
                resolvedPath: "/dev/" + name, type: .character, specialDevice: .init(252, 0)))
    }

    func report(
        _ facts: PlaceFacts, _ synchronous: MapSync = .accepted,
        extents: [PlaceProbe.Extent]? = nil, huge: PlaceProbe.HugeShare? = nil,
        hasAutoFlush: Bool = false, environment: [String: String] = [:], io: IOPath = .automatic
    ) -> PlaceReport {
        PlaceReport.examine(
            facts,
            probe: PlaceProbe(synchronous: synchronous, extents: extents, hugeShare: huge),
            root: root,
            libpmem: LibpmemFacts(hasAutoFlush: hasAutoFlush, environment: environment), io: io)
    }
}

extension PlaceReport {
    /// The only finding with an identifier; a failed test when there is none, or several.
    func only(_ id: String) throws -> Finding {
        #expect(findings(id).count == 1, "\(findings.map(\.id))")
        return try #require(findings(id).first)
    }
}
