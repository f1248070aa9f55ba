import Logging

/// How a pool is opened.
public struct OpenOptions: Sendable {
    /// Opens with a shared lock, changes no byte, and recovers in memory alone. Any number of
    /// read-only stores may share a pool; a writer excludes all others.
    public var readOnly = false
    /// How the bytes are reached.
    public var io: IOPath = .automatic
    /// What the medium must give; one that does not is refused before anything is changed.
    public var requirement: MediumRequirement?
    /// Which indexes are kept in DRAM. The pool's format does not depend on it.
    public var index = IndexKind.hash
    /// Whether there may be a thread that makes room ahead of need, by copying what lives out of
    /// segments that hold much garbage. It is there only while little is free. Without it writers
    /// do that work alone, a little with each write; with it, what the thread leaves to them.
    public var compactsInBackground: Bool {
        get { engine.compactsInBackground }
        set { engine.compactsInBackground = newValue }
    }
    /// Where the store says what it does; silent by default. Errors are thrown, not logged.
    public var logger: Logger?
    /// Tunables of the engine; for tests.
    package var engine = EngineOptions()

    public init() {}
}

/// What a medium must give to be accepted.
public enum MediumRequirement: String, Sendable, CaseIterable {
    /// A write is known to survive the loss of power, and takes no system call for that.
    case synchronousDAX = "sync-dax"
    /// A write is known to survive the loss of power. A medium of which this machine cannot tell is
    /// refused.
    case durable
}

/// What finds a key. Chosen each time a pool is opened; nothing of it is on the medium but the hash
/// index's checkpoint.
public enum IndexKind: String, Sendable, CaseIterable {
    /// A hash table alone: about 14 bytes of DRAM a key. A scan reads all keys before it shows the
    /// first one, and again for every few hundred thousand.
    case hash
    /// The hash table for single keys and a B+ tree of all keys for scans, which begin at once
    /// and take O(log n) and their entries. Costs in DRAM 20 to 27 bytes a key more, whatever its
    /// length, and 1/512 of the pool; a new key and a removal take longer, an overwrite does not.
    /// Opening reads all keys. Where reading takes a system call, so may a new key and a removal.
    case ordered
}

/// How a pool is created.
public struct CreateOptions: Sendable {
    /// Bytes of the pool; nil stands for 1 GiB in a file and for the whole of a devdax device,
    /// which takes no other size.
    public var size: Int?
    /// Bytes of a segment, a power of two; nil chooses about 1/256 of the pool, between 64 KiB
    /// and 16 MiB. A value longer than a segment takes several neighbouring ones.
    public var segmentSize: Int?
    /// Bytes to which the pool may grow later (``PmemStore/grow(to:)``); 64 are set aside now for
    /// each segment that it may have then. Nil stands for 16 times the size, or for as much less
    /// as takes 1/64 of the pool. A devdax device takes none.
    public var maximumSize: Int?
    /// Puts the new pool, once it is complete, in the place of what is there, instead of refusing.
    public var overwrite = false
    /// How the new pool is opened.
    public var open = OpenOptions()

    /// The size of a pool in a file when none is given.
    public static let defaultSize = 1 << 30

    public init() {}

    public init(
        size: Int?, segmentSize: Int? = nil, maximumSize: Int? = nil, overwrite: Bool = false
    ) {
        self.size = size
        self.segmentSize = segmentSize
        self.maximumSize = maximumSize
        self.overwrite = overwrite
    }
}

/// When a write returns.
public enum Durability: Sendable {
    /// When the write is durable.
    case durable
    /// When the write is visible; it becomes durable with the next `sync()`, `close()`, or
    /// durable write that happens to share its log head. Until then a crash may lose it, and a
    /// value that was read may be gone afterwards. A value that is longer than a segment, and a
    /// batch that goes on to other segments, are durable at once all the same.
    case relaxed
}
