/// Something in a pool that is not as it should be.
public struct Damage: Sendable, Equatable {
    /// What is damaged.
    public enum Kind: String, Sendable {
        /// A superblock copy; the other one serves.
        case superblock
        /// A line of the segment table: what the segment holds, or will be used for, is unknown.
        case segmentLine = "segment-line"
        /// Records of an extent that no store would have written like that.
        case extent
        /// A summary; its records can still be walked.
        case summary
        /// The index checkpoint; the index is rebuilt from the log instead.
        case checkpoint
        /// A record whose key is readable and whose value is not.
        case value
        /// A place where a record was, of which not even the key is readable.
        case record
        /// Bytes that the medium does not give back.
        case unreadable
    }

    public var kind: Kind
    /// Bytes from the start of the pool.
    public var offset: Int
    /// The segment it lies in; nil outside the segments.
    public var segment: Int?
    /// The key concerned, where it is known.
    public var key: [UInt8]?
    /// A sentence for a person.
    public var reason: String
}

/// What a reader of a pool does about damage. The readers are the same for opening and for
/// checking, so that what opening refuses is what checking reports.
struct DamageLog {
    enum Mode {
        /// Opening: damage that could hide the newest version of a key is an error at once.
        case strict
        /// Checking and repairing: all damage is noted, nothing stops.
        case tolerant
    }

    let mode: Mode
    private(set) var damage: [Damage] = []

    init(_ mode: Mode) { self.mode = mode }

    /// Damage that opening can live with.
    mutating func note(_ found: Damage) { damage.append(found) }

    /// Damage that opening refuses.
    mutating func refuse(_ found: Damage) throws(StoreError) {
        damage.append(found)
        if mode == .strict { throw found.refusal }
    }
}

extension Damage {
    /// The error of whoever cannot go on because of it.
    var refusal: StoreError {
        StoreError(.corrupt, "\(reason); 'pmemkv repair' salvages what is readable")
    }
}
