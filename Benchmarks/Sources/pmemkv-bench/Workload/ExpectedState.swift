/// What the store must hold: the version of every key, kept outside the timed parts.
///
/// All writes of one workload carry the same version number, so the final version of a key does not
/// depend on the order in which threads came to it, and verification is exact with any number.
struct ExpectedState {
    /// Version by key index; 0: the key must not exist.
    private(set) var versions: [UInt32] = []
    private(set) var count = 0

    init() {}

    /// Takes the memory for so many keys at once: what is measured of an engine's begins behind it.
    init(keys: Int) {
        versions = .init(repeating: 0, count: keys)
        removeAll()
    }

    /// Indexes that have ever been written.
    var capacity: Int { versions.count }

    mutating func removeAll() {
        versions.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Replays the first `done` operations of a stream (more than its length: it was repeated).
    mutating func apply(_ stream: OperationStream, done: Int) {
        for operation in stream.operations.prefix(done) {
            switch operation.kind {
            case .put, .readModifyWrite, .batchPut, .batchEnd:
                set(Int(operation.index), stream.version)
            case .remove: set(Int(operation.index), 0)
            case .updateEnd, .transactionEnd:
                preconditionFailure("no workload whose values are verified has these")
            case .get, .getDependent, .groupGet, .groupEnd, .getMissing, .scan, .readAll:
                break
            }
        }
    }

    mutating func set(_ index: Int, _ version: UInt32) {
        if index >= versions.count {
            // No further than needed: every entry is a key that the verification looks for.
            versions.append(contentsOf: repeatElement(0, count: index + 1 - versions.count))
        }
        count += (version != 0 ? 1 : 0) - (versions[index] != 0 ? 1 : 0)
        versions[index] = version
    }
}
