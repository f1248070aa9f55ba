import PmemKV

/// The numbered keys of a script in a store, each in its table.
package struct ScriptKeys: Sendable {
    package let shape: PoolShape
    private let keys: [[UInt8]]

    package init(_ shape: PoolShape) {
        self.shape = shape
        keys = (0..<shape.keys).map(PoolShape.key)
    }

    package var count: Int { keys.count }

    /// The tables that keys belong to, nil for the unnamed one.
    package var tables: Set<String?> { Set((0..<count).map(shape.table)) }

    package func number(of key: [UInt8], in table: String?) -> Int? {
        (0..<count).first { keys[$0] == key && shape.table(of: $0) == table }
    }
    package subscript(number: Int) -> [UInt8] { keys[number] }

    package func get(_ number: Int, of store: PmemStore) throws(StoreError) -> [UInt8]? {
        guard let name = shape.table(of: number) else { return try store.get(keys[number]) }
        return try store.table(named: name).get(keys[number])
    }

    /// The same without an array for each: the length of the value, of which as much is copied as
    /// there is room for.
    package func get(
        _ number: Int, of store: PmemStore, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int? {
        guard let name = shape.table(of: number) else {
            return try store.get(keys[number], into: buffer)
        }
        return try store.table(named: name).withValue(forKey: keys[number]) { value in
            value.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(buffer.count)))
            }
            return value.byteCount
        }
    }

    package func get(_ number: Int, of snapshot: Snapshot) throws(StoreError) -> [UInt8]? {
        guard let name = shape.table(of: number) else { return try snapshot.get(keys[number]) }
        return try snapshot.table(named: name).get(keys[number])
    }

    package func put(
        _ value: [UInt8], _ number: Int, in store: PmemStore, durability: Durability = .durable
    ) throws(StoreError) {
        guard let name = shape.table(of: number) else {
            return try store.put(value, forKey: keys[number], durability: durability)
        }
        try store.table(named: name).put(value, forKey: keys[number], durability: durability)
    }

    package func remove(
        _ number: Int, of store: PmemStore, durability: Durability = .durable
    ) throws(StoreError) -> Bool {
        guard let name = shape.table(of: number) else {
            return try store.remove(keys[number], durability: durability)
        }
        return try store.table(named: name).remove(keys[number], durability: durability)
    }

    /// Empties the table of a key; drops it where it has a name and is to go.
    package func empty(
        tableOf number: Int, drops: Bool, in store: PmemStore
    ) throws(StoreError) {
        guard let name = shape.table(of: number) else { return try store.clear() }
        let table = try store.table(named: name)
        if drops { try table.drop() } else { try table.clear() }
    }

    /// What is wrong with the numbers of keys that the store counts, in each table; nil when
    /// nothing is.
    ///
    /// - Parameter present: the numbers of the keys that are there.
    package func miscount(_ store: PmemStore, _ present: [Int]) throws(StoreError) -> String? {
        for name in shape.usesTables ? tables : [nil] {
            let counted =
                try name.map { name throws(StoreError) in
                    try store.table(named: name).count
                } ?? store.count
            let expected = present.count { shape.table(of: $0) == name }
            if counted != expected {
                return "the store counts \(counted) keys in \(name ?? "no table"), \(expected) of "
                    + "ours are there"
            }
        }
        return nil
    }
}
