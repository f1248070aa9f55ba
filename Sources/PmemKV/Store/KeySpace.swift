/// Where keys are: a store, as far as they belong to no table, or a ``Table`` of it.
public protocol KeySpace: EntryReading {
    /// Keys that are there.
    var count: Int { get }

    /// Whether a key is there. Its value is not looked at. See ``PmemStore/contains(_:)``.
    func contains(_ key: some StoreBytes) throws(StoreError) -> Bool

    /// See ``PmemStore/put(_:forKey:durability:)``.
    func put(
        _ value: some StoreBytes, forKey key: some StoreBytes, durability: Durability
    ) throws(StoreError)

    /// See ``PmemStore/remove(_:durability:)``.
    @discardableResult
    func remove(_ key: some StoreBytes, durability: Durability) throws(StoreError) -> Bool

    /// See ``PmemStore/update(_:_:)``.
    func update(
        _ key: some StoreBytes, _ transform: (RawSpan?) throws(StoreError) -> ValueUpdate
    ) throws(StoreError)

    /// See ``PmemStore/cursor(_:)``.
    func cursor(_ range: KeyRange) throws(StoreError) -> Cursor
}

extension PmemStore: KeySpace {}
extension Table: KeySpace {}
