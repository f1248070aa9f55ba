import CPmem

/// The number of a table, 16 bits: a part of every key in it, and of its hash.
package struct TableNumber: Hashable, Sendable, Comparable {
    package let rawValue: UInt16

    @inline(__always)
    package init(_ rawValue: UInt16) { self.rawValue = rawValue }

    /// The keys that belong to no named table. Their records have no extension.
    static let unnamed = TableNumber(0)
    /// What tables there are: a record for each number that was ever given to one, and one for the
    /// unnamed table once that was cleared.
    static let catalog = TableNumber(UInt16(CPMEM_CATALOG_TABLE))
    /// The numbers that names are given, the lowest first.
    static let named = 1..<Int(CPMEM_CATALOG_TABLE)

    @inline(__always)
    var isUnnamed: Bool { rawValue == 0 }

    @inline(__always)
    package static func < (left: TableNumber, right: TableNumber) -> Bool {
        left.rawValue < right.rawValue
    }

    /// The seed of the hash of keys in this table of a pool (docs/format.md, "Key hash").
    @inline(__always)
    func seed(_ pool: UInt64) -> UInt64 {
        isUnnamed ? pool : cpmem_fold_multiply(pool, UInt64(rawValue) << 1 | 1)
    }
}

/// A table's number, in bits 0 to 15, and above it which of all tables that it was ever given to
/// since the pool was opened; zero where nobody asks for that, as with the unnamed table.
package struct TableRef: Equatable, Sendable {
    let rawValue: UInt64

    @inline(__always)
    init(rawValue: UInt64) { self.rawValue = rawValue }

    @inline(__always)
    init(_ number: TableNumber, life: UInt64 = 0) {
        rawValue = life << 16 | UInt64(number.rawValue)
    }

    static let unnamed = TableRef(.unnamed)

    @inline(__always)
    var number: TableNumber { TableNumber(UInt16(truncatingIfNeeded: rawValue)) }
    /// Whether it matters if the table is still the same.
    @inline(__always)
    var hasLife: Bool { rawValue > UInt64(UInt16.max) }
}

/// A key of a table.
struct TableKey {
    let bytes: ByteView
    let ref: TableRef
    /// Records with lower numbers are not the table's any more: it was cleared, or its number was
    /// another one's.
    let floor: SequenceNumber

    @inline(__always)
    init(_ bytes: ByteView, in ref: TableRef, from floor: SequenceNumber = .zero) {
        self.bytes = bytes
        self.ref = ref
        self.floor = floor
    }

    @inline(__always)
    var table: TableNumber { ref.number }

    @inline(__always)
    func hash(seed: UInt64) -> KeyHash { KeyHash(of: bytes, seed: table.seed(seed)) }

    /// Whether another key of the same table has the same bytes.
    @inline(__always)
    func hasSame(as other: TableKey) -> Bool {
        table == other.table && bytes.hasSameBytes(as: other.bytes)
    }
}

/// The record of a table in the catalog.
struct TableRecord: Equatable {
    /// Whether the table is there; false when it was dropped, and its number may be given again.
    var isAlive: Bool
    /// See ``TableKey/floor``.
    var floor: SequenceNumber
    /// Empty for the unnamed table.
    var name: [UInt8]

    static let maximumNameLength = 255

    /// Whether bytes are UTF-8 without control characters.
    static func isText(_ name: [UInt8]) -> Bool {
        String(validating: name, as: UTF8.self) != nil && !name.contains { $0 < 32 || $0 == 127 }
    }

    /// The key of a number's record.
    static func key(of number: TableNumber) -> [UInt8] {
        [UInt8(number.rawValue >> 8), UInt8(truncatingIfNeeded: number.rawValue)]
    }

    /// The number that a key is of.
    static func number(of key: ByteView) -> TableNumber? {
        guard key.count == 2 else { return nil }
        return TableNumber(
            UInt16(key.load(UInt8.self, at: 0)) << 8 | UInt16(key.load(UInt8.self, at: 1)))
    }

    /// What is read is not what the catalog can hold.
    static var damage: StoreError {
        StoreError(
            .corrupt,
            "the catalog of tables has a record that is none; 'pmemkv repair' salvages "
                + "what is readable")
    }

    init(isAlive: Bool, floor: SequenceNumber, name: [UInt8]) {
        self.isAlive = isAlive
        self.floor = floor
        self.name = name
    }

    /// Nil for what is none.
    init?(_ value: ByteView) {
        let header = MemoryLayout<cpmem_table>.size
        guard value.count >= header, value.count <= header + Self.maximumNameLength else {
            return nil
        }
        let raw = value.load(cpmem_table.self, at: 0)
        guard raw.state <= UInt64(CPMEM_TABLE_ALIVE.rawValue),
            raw.floor < SequenceNumber.end.rawValue
        else { return nil }
        isAlive = raw.state == UInt64(CPMEM_TABLE_ALIVE.rawValue)
        floor = SequenceNumber(raw.floor)
        name = value.dropFirst(header).array
        guard Self.isText(name) else { return nil }
    }

    /// Whether a number may have such a record with this sequence number.
    func isPossible(of number: TableNumber, _ sequence: SequenceNumber) -> Bool {
        floor <= sequence && (number.isUnnamed ? isAlive && name.isEmpty : !name.isEmpty)
    }

    var value: [UInt8] {
        let state = isAlive ? CPMEM_TABLE_ALIVE : CPMEM_TABLE_DROPPED
        var raw = cpmem_table(floor: floor.rawValue, state: UInt64(state.rawValue))
        return unsafe withUnsafeBytes(of: &raw) { unsafe [UInt8]($0) } + name
    }
}
