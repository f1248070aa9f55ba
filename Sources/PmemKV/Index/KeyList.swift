/// Keys in the order of a scan, copied out of the index.
protocol KeyList {
    var count: Int { get }

    /// Gives one key to body.
    func withKey<R, E: Error>(_ number: Int, _ body: (ByteView) throws(E) -> R) throws(E) -> R
}
