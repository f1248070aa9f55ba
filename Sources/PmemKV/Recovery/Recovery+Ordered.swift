extension Recovery {
    /// The ordered indexes of all keys, before anybody else uses the store. Reads all of them.
    func makeOrderedIndex() throws(StoreError) -> OrderedTrees {
        let ordered = OrderedTrees(records)
        try ordered.load(threads: options.recoveryThreads)
        space.ordered = ordered
        return ordered
    }
}
