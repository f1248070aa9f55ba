// Whether the kernel accepts MAP_SYNC at a place: the one fact that only an experiment gives.
//
// Invariant: nothing is changed and no byte of a mapping is loaded (see cpmem_probe.h). In a
// directory the file that is tried has no name.

import CPmem
import SystemPackage

/// What the kernel says to MAP_SYNC.
package enum MapSync: Sendable, Equatable {
    case accepted
    case refused(Errno)
    /// Not tried, and why.
    case untried(String)

    /// Whether the kernel accepts it for the first bytes of an open file.
    package static func isAccepted(for file: FileDescriptor, bytes: Int) -> Bool {
        cpmem_probe_map_sync(file.rawValue, bytes) == 0
    }
}

extension PlaceFacts {
    /// Tries MAP_SYNC on a file or device, or on a nameless new file of a directory; of the latter
    /// it also tells whether it is DAX.
    package func tryMapSync() -> (answer: MapSync, newFileIsDAX: Bool?) {
        switch kind {
        case .regularFile: return (Self.tryMapSync(location, bytes: 4096).answer, nil)
        case .directory, .mountPoint:
            return Self.tryMapSync(location, inDirectory: true, bytes: 4096)
        case .missing where status != nil:
            return Self.tryMapSync(location.directory, inDirectory: true, bytes: 4096)
        case .devdax:
            if let device = devices.first,
                device.isSystemRAM || device.isDisabled || status == nil
            {
                return (.untried("the device cannot be mapped"), nil)
            }
            let bytes = devices.first?.alignmentBytes ?? 2 << 20
            return (Self.tryMapSync(location, bytes: bytes).answer, nil)
        case .blockDevice: return (.untried("a block device is not mapped"), nil)
        case .missing, .other: return (.untried("there is nothing to map"), nil)
        }
    }

    /// Whether a new file in this directory would be DAX; nil when that cannot be told.
    public func newFileIsDAX() -> Bool? { tryMapSync().newFileIsDAX }

    private static func tryMapSync(
        _ path: FilePath, inDirectory: Bool = false, bytes: Int
    ) -> (answer: MapSync, newFileIsDAX: Bool?) {
        var result = cpmem_probe_sync()
        let failure = unsafe path.withPlatformString {
            unsafe cpmem_probe_sync($0, inDirectory ? 1 : 0, bytes, &result)
        }
        if failure != 0 {
            let error = Errno(rawValue: failure).description
            let verb = inDirectory ? "no temporary file can be made here" : "it cannot be opened"
            return (.untried("\(verb): \(error)"), nil)
        }
        let isDAX = result.knows_dax != 0 ? result.is_dax != 0 : nil
        if result.map_errno == 0 { return (.accepted, isDAX) }
        return (.refused(Errno(rawValue: result.map_errno)), isDAX)
    }
}
