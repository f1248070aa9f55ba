import CPmem

/// Where one writer appends: an open extent, the position in it, and what its summary will say.
///
/// Lives in raw memory. Invariants:
/// - I3: a head belongs to one thread from the reservation of a place until the fence that makes
///   the record durable, except on media whose drain covers all threads.
/// - position + room for the summary of all entries never exceeds capacity.
/// - Everything before durableUnits is durable; what lies between relaxedFrom and position may
///   still need a flush or its drain.
struct LogHead {
    static let stagingBytes = 4096
    static let relaxedFromOffset = MemoryLayout<LogHead>.offset(of: \.relaxedFromWord)!

    var lock: UInt64 = 0
    /// First segment of the extent, or -1 when there is none.
    var segment = -1
    var position = 0
    var capacity = 0
    var durableUnits = 0
    /// ``relaxedFrom`` as others may read it, atomically (see `hasRelaxed`).
    private var relaxedFromWord = UInt64(Int.max)
    var salt: UInt64 = 0
    var firstLocation: UInt64 = 0
    var entries: UnsafeMutablePointer<cpmem_summary_entry>?
    var entryCount = 0
    /// Opened with space that is kept for tombstones: puts may not use it up.
    var isForTombstones = false
    var entryCapacity = 0
    let staging: UnsafeMutableRawPointer

    init() {
        staging = .allocate(byteCount: Self.stagingBytes, alignment: 64)
    }

    func deallocate() {
        staging.deallocate()
        entries?.deallocate()
    }

    /// Units from which relaxed records have not been flushed; Int.max when all have. Only the
    /// head's owner asks and changes this way.
    @inline(__always)
    var relaxedFrom: Int {
        get { Int(truncatingIfNeeded: relaxedFromWord) }
        set {
            withUnsafeMutablePointer(to: &relaxedFromWord) {
                cpmem_store_relaxed($0, UInt64(truncatingIfNeeded: newValue))
            }
        }
    }

    /// Units of a summary with this many entries.
    static func summaryUnits(_ entries: Int) -> Int {
        (MemoryLayout<cpmem_summary>.size + entries * MemoryLayout<cpmem_summary_entry>.size + 63)
            >> 6
    }

    /// Whether records of this many units, and the summary with them in it, still fit.
    @inline(__always)
    func fits(units: Int, entries more: Int) -> Bool {
        segment >= 0
            && position + units + Self.summaryUnits(entryCount + more) <= capacity
    }

    mutating func begin(
        segment: Int, span: Int, geometry: Geometry, salt: UInt64, position: Int = 0
    ) {
        self.segment = segment
        self.position = position
        self.salt = salt
        capacity = span * geometry.segmentUnits
        durableUnits = position
        relaxedFrom = .max
        firstLocation = geometry.firstLocation(ofSegment: segment).units
        entryCount = 0
        isForTombstones = false
    }

    /// A drain has returned that covers everything in the head.
    @inline(__always)
    mutating func noteAllDurable() {
        durableUnits = position
        relaxedFrom = .max
    }

    /// Takes over the extent of another head, which has none afterwards. Both owned.
    mutating func takeOver(_ other: inout LogHead) {
        segment = other.segment
        position = other.position
        capacity = other.capacity
        durableUnits = other.durableUnits
        relaxedFrom = other.relaxedFrom
        salt = other.salt
        firstLocation = other.firstLocation
        isForTombstones = other.isForTombstones
        swap(&entries, &other.entries)
        swap(&entryCount, &other.entryCount)
        swap(&entryCapacity, &other.entryCapacity)
        other.segment = -1
    }

    @inline(__always)
    mutating func note(hash: KeyHash, sequence: UInt64, units: Int, tombstone: Bool) {
        if entryCount == entryCapacity { growEntries() }
        entries.unsafelyUnwrapped[entryCount] = cpmem_summary_entry(
            key_hash: hash.rawValue, sequence: sequence, offset_units: UInt32(position),
            kind_and_units: UInt32(units) | (tombstone ? 1 << 31 : 0))
        entryCount += 1
    }

    @inline(never)
    private mutating func growEntries() {
        let capacity = max(64, entryCapacity * 2)
        let grown = UnsafeMutablePointer<cpmem_summary_entry>.allocate(capacity: capacity)
        if let entries {
            grown.update(from: entries, count: entryCount)
            entries.deallocate()
        }
        entries = grown
        entryCapacity = capacity
    }
}

/// A head by reference; its fields are reached without exclusivity checks.
typealias LogHeadPointer = UnsafeMutablePointer<LogHead>

extension UnsafeMutablePointer where Pointee == LogHead {
    /// The head's own lock.
    @inline(__always)
    var spin: SpinLock {
        // The lock is the first field.
        SpinLock(AtomicWord(UnsafeMutableRawPointer(self)))
    }

    @inline(__always)
    var location: Location {
        Location(units: pointee.firstLocation &+ UInt64(pointee.position))
    }

    /// Whether relaxed records wait for a flush; may be asked by anybody.
    var hasRelaxed: Bool {
        cpmem_load_relaxed(UnsafeRawPointer(self) + LogHead.relaxedFromOffset) != UInt64(Int.max)
    }
}
