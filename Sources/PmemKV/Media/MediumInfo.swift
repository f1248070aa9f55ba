import PmemPlaces

/// What the bytes of an open pool live on, and what makes a write durable there.
///
/// Everything in it was found out from this very file or device when it was opened, nothing was
/// assumed from its name or its mount options.
public struct MediumInfo: Sendable, Equatable {
    /// What a pool lives on.
    public enum Kind: String, Sendable {
        /// A device-DAX character device on persistent memory.
        case devdax
        /// A file whose pages are the medium itself (statx says DAX).
        case fsdaxFile = "fsdax-file"
        /// A file in the page cache of an ordinary file system.
        case pageCacheFile = "page-cache-file"
        /// A file of a memory file system: gone with the machine.
        case memoryFile = "memory-file"
        /// A medium that a program supplied, such as a simulation.
        case custom
    }

    /// What makes a write durable.
    public typealias Strategy = DurabilityDecision.Strategy

    /// The path the pool was opened at.
    public var path: String
    public var kind: Kind
    /// `ext4`, `xfs`, `tmpfs`, ...; nil for a device.
    public var fileSystem: String?
    /// Whether statx(2) calls this file DAX.
    public var isDAX: Bool
    /// Whether the kernel accepted MAP_SYNC for this file.
    public var acceptsMapSync: Bool
    /// Whether PMEM_IS_PMEM_FORCE makes libpmem treat every mapping as persistent memory.
    public var isForced: Bool
    /// Whether PMEM_NO_FLUSH=1 makes libpmem leave out cache flushes.
    public var isUnflushed: Bool
    /// Whether the platform keeps its caches through a power loss (eADR).
    public var hasAutoFlush: Bool
    /// What makes a write durable, and whether anything does.
    public var durability: DurabilityDecision

    public var strategy: Strategy { durability.strategy }

    /// Whether an acknowledged write is known to survive the loss of power.
    public var isDurable: Bool { durability.isDurable }

    /// Whether an acknowledged write survives the loss of power, as far as this machine can tell;
    /// nil when it cannot tell.
    public var survivesPowerLoss: Bool? { durability.survivesPowerLoss }

    /// Whether a write becomes durable without a system call.
    public var isSynchronousDAX: Bool { durability.isSynchronousDAX }

    /// One sentence on what an acknowledged write survives.
    public var guarantee: String {
        kind == .custom ? "whatever the supplied medium gives" : durability.guarantee
    }
}

extension MediumInfo.Kind {
    /// The kind of an open file or device.
    init(_ facts: PlaceFacts) {
        if facts.kind == .devdax {
            self = .devdax
        } else if facts.isMemoryFileSystem {
            self = .memoryFile
        } else {
            self = facts.isDAX == true ? .fsdaxFile : .pageCacheFile
        }
    }
}
