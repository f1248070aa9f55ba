extension Recovery {
    /// An ordered index of all keys, before anybody else uses the store. Reads all of them.
    func makeOrderedIndex() throws(StoreError) -> OrderedIndex {
        let ordered = OrderedIndex(records)
        try ordered.load(threads: options.recoveryThreads)
        space.ordered = ordered
        return ordered
    }
}
