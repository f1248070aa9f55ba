/// How the engine reaches a pool's bytes.
public enum IOPath: String, Sendable, CaseIterable {
    /// The mapping, with the strategy that the medium allows.
    case automatic = "auto"
    /// The mapping; as `automatic` today, but never anything else.
    case mapped
    /// read(2) and write(2) with fdatasync(2); not possible on devdax.
    case syscalls
}

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
    public enum Strategy: String, Sendable {
        /// Write back each line, then one fence.
        case flushAndFence = "flush+fence"
        /// The fence alone: the platform keeps its caches through a power loss (eADR).
        case fenceOnly = "fence"
        /// msync(2) over the pages touched, shared by all who wait.
        case msync
        /// write(2) and fdatasync(2), shared by all who wait.
        case syscalls
    }

    /// The path the pool was opened at.
    public var path: String
    public var kind: Kind
    /// `ext4`, `xfs`, `tmpfs`, ...; nil for a device.
    public var fileSystem: String?
    /// Whether statx(2) calls this file DAX.
    public var isDAX: Bool
    /// Whether the kernel accepted MAP_SYNC for this file.
    public var acceptsMapSync: Bool
    /// Whether PMEM_IS_PMEM_FORCE made libpmem treat this mapping as persistent memory.
    public var isForced: Bool
    /// Whether the platform keeps its caches through a power loss (eADR).
    public var hasAutoFlush: Bool
    public var strategy: Strategy
    /// Whether an acknowledged write survives the loss of power, as far as this machine can tell.
    public var isDurable: Bool

    /// Whether a write becomes durable without a system call.
    public var isSynchronousDAX: Bool {
        isDurable && (strategy == .flushAndFence || strategy == .fenceOnly)
    }

    /// One sentence on what an acknowledged write survives.
    public var guarantee: String {
        switch (kind, strategy) {
        case (.memoryFile, _):
            return "not durable: \(fileSystem ?? "a memory file system") is gone with the machine; "
                + "an acknowledged write survives the death of the process only"
        case (_, .flushAndFence) where isForced && !isDurable:
            return "not durable: PMEM_IS_PMEM_FORCE is set and this is no persistent memory; an "
                + "acknowledged write survives the death of the process only"
        case (.custom, _):
            return "whatever the supplied medium gives"
        case _ where !isDurable:
            return "not durable: the memory below is volatile; an acknowledged write survives the "
                + "death of the process only"
        case (_, .flushAndFence):
            return "an acknowledged write has been written back from the cache and fenced: it "
                + "survives the loss of power"
        case (_, .fenceOnly):
            return "an acknowledged write is globally visible, and the platform saves its caches "
                + "when power fails (eADR): it survives the loss of power"
        case (_, .msync):
            return "an acknowledged write has been through msync(2): it survives the loss of "
                + "power as far as the device below keeps its promises"
        case (_, .syscalls):
            return "an acknowledged write has been through fdatasync(2): it survives the loss of "
                + "power as far as the device below keeps its promises"
        }
    }
}
