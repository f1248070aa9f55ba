// THE decision on what makes a write durable at a place. The store acts on it, the doctor explains
// it, the benchmarks take the way it names; nothing beside it decides.
//
// Invariants:
// - Of what the devices are, what the kernel says of MAP_SYNC and what libpmem says of the mapping,
//   the weakest counts: with PMEM_IS_PMEM_FORCE libpmem says yes to anything, and device DAX
//   accepts MAP_SYNC on any memory.
// - What lies below a file system, an overlay or a loop device counts as the place itself does, and
//   what cannot be seen there is doubt, never a promise.
// - A variable can change what is done, and take a promise away. It never makes one.

/// What makes a write durable at a place, and whether anything does.
public struct DurabilityDecision: Sendable, Equatable {
    /// What is done to make a write durable.
    public enum Strategy: String, Sendable {
        /// Write back each line, then one fence.
        case flushAndFence = "flush+fence"
        /// The fence alone: the platform keeps its caches through a power loss (eADR).
        case fenceOnly = "fence"
        /// msync(2) over the pages touched, shared by all who wait.
        case msync
        /// write(2) and fdatasync(2), shared by all who wait.
        case syscalls

        /// Whether it takes no system call.
        public var isSynchronous: Bool { self == .flushAndFence || self == .fenceOnly }
    }

    public var strategy: Strategy
    /// Why an acknowledged write does not survive the loss of power; nil when it does, as far as
    /// this machine can tell.
    public var weakness: String?
    /// Why it cannot be told whether an acknowledged write survives the loss of power; nil when it
    /// can.
    public var doubt: String?

    package init(strategy: Strategy, weakness: String?) {
        self.strategy = strategy
        self.weakness = weakness
    }

    /// Whether an acknowledged write survives the loss of power, as far as this machine can tell;
    /// nil when it cannot tell.
    public var survivesPowerLoss: Bool? { weakness != nil ? false : doubt != nil ? nil : true }

    /// Whether an acknowledged write is known to survive the loss of power.
    public var isDurable: Bool { survivesPowerLoss == true }

    /// Whether a write becomes durable without a system call.
    public var isSynchronousDAX: Bool { isDurable && strategy.isSynchronous }

    /// One sentence on what an acknowledged write survives.
    public var guarantee: String {
        if let weakness {
            return "not durable: \(weakness); an acknowledged write survives the death of the "
                + "process only"
        }
        if let doubt {
            return "perhaps not durable: \(doubt); an acknowledged write survives the death of the "
                + "process, and what else cannot be told"
        }
        switch strategy {
        case .flushAndFence:
            return "an acknowledged write has been written back from the cache and fenced: it "
                + "survives the loss of power"
        case .fenceOnly:
            return "an acknowledged write is globally visible, and the platform saves its caches "
                + "when power fails (eADR): it survives the loss of power"
        case .msync:
            return "an acknowledged write has been through msync(2): it survives the loss of "
                + "power as far as the device below keeps its promises"
        case .syscalls:
            return "an acknowledged write has been through fdatasync(2): it survives the loss of "
                + "power as far as the device below keeps its promises"
        }
    }
}

extension DurabilityDecision {
    /// Decides for a file or device of this machine that libpmem has mapped.
    ///
    /// - Parameter isPmem: what pmem_map_file(3) said of the mapping.
    /// - Throws: why there is no way to make a write durable.
    public init(mappedAt path: String, isPmem: Bool) throws(PlaceFacts.Refusal) {
        let facts = PlaceFacts.inspect(path: path)
        try self.init(
            on: facts, mapSync: facts.tryMapSync().answer == .accepted,
            mapping: isPmem, libpmem: .current(), io: .mapped)
    }

    /// Decides for a file or device, or for a new file in a directory.
    ///
    /// - Parameters:
    ///   - mapSync: whether the kernel accepts MAP_SYNC.
    ///   - isPmem: what libpmem said of a mapping; nil as long as there is none, for what it would
    ///     say.
    /// - Throws: why there is no way to make a write durable here that `io` permits.
    package init(
        on facts: PlaceFacts, mapSync: Bool, mapping isPmem: Bool? = nil, libpmem: LibpmemFacts,
        io: IOPath
    ) throws(PlaceFacts.Refusal) {
        if !facts.isDirectory, let refusal = facts.refusal { throw refusal }
        let isDevice = facts.kind == .devdax
        // An asynchronous device below makes a fence worthless, whatever a mapping accepts.
        let permitsFlushing =
            (mapSync || isDevice) && !facts.isMemoryFileSystem && facts.asynchronousDevices.isEmpty
        let isTakenForPmem = isPmem ?? libpmem.isPmem(acceptingMapSync: mapSync || isDevice)
        if io == .syscalls {
            guard !isDevice else { throw facts.hasNoCalls }
            strategy = .syscalls
        } else if isTakenForPmem, permitsFlushing || libpmem.isForced {
            strategy = libpmem.flushesCaches ? .flushAndFence : .fenceOnly
        } else {
            guard !isDevice else { throw facts.isDenied }
            strategy = .msync
        }
        weakness =
            facts.permanence.volatility
            ?? (strategy.isSynchronous
                ? Self.weaknessOfFlushing(isPermitted: permitsFlushing, libpmem)
                : strategy == .msync ? facts.weaknessOfSyncing : nil)
        if case .unknown(let reason) = facts.permanence, weakness == nil { doubt = reason }
    }

    private static func weaknessOfFlushing(
        isPermitted: Bool, _ libpmem: LibpmemFacts
    ) -> String? {
        var reasons: [String] = []
        if !isPermitted {
            reasons.append("PMEM_IS_PMEM_FORCE is set and this is no persistent memory")
        }
        if libpmem.isUnflushed, !libpmem.hasAutoFlush {
            reasons.append("PMEM_NO_FLUSH=1 leaves writes in the processor's caches")
        }
        return reasons.isEmpty ? nil : reasons.joined(separator: ", and ")
    }
}

extension Permanence {
    /// Why nothing here survives, whatever is done.
    fileprivate var volatility: String? {
        if case .volatile(let reason) = self { reason } else { nil }
    }
}

extension PlaceFacts {
    /// msync(2) leaves the stores to a DAX mapping in the caches of a device that calls its write
    /// cache off. What goes through the page cache or write(2) reaches the device anyway.
    fileprivate var weaknessOfSyncing: String? {
        guard isDAX == true, let device = devices.first(where: \.leavesCachesUnflushed) else {
            return nil
        }
        return "msync leaves the processor's caches alone on \(device.name) (dax/write_cache is 0)"
    }

    fileprivate var hasNoCalls: Refusal {
        Refusal(
            reason: "\(path) is a devdax device: it has no read(2) and write(2)",
            remedy: "use '--io mapped'")
    }

    fileprivate var isDenied: Refusal {
        Refusal(
            reason: "libpmem does not take \(path) for persistent memory, and a devdax device has "
                + "no msync(2)",
            remedy: "unset PMEM_IS_PMEM_FORCE")
    }
}
