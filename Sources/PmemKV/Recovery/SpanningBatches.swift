/// Which of the batches that open extents end with are whole (I11): those whose last record is
/// there, since it was written when all others were durable.
///
/// The last record lies in an open extent as long as any other part does: the others are sealed
/// first.
struct SpanningBatches {
    /// Numbers of all committed records in open extents, once there is a question about one.
    private var committed: Set<SequenceNumber> = []

    /// - Parameter open: what the open extents hold. All of them, as the pool was left.
    /// - Complexity: O(records in open extents), when one of them ends inside a batch.
    init(in open: [ExtentContents]) {
        guard open.contains(where: { $0.unfinished != nil }) else { return }
        for contents in open { committed.formUnion(contents.entries.lazy.map(\.number)) }
    }

    /// Counts in what an open extent ends with, if its batch is whole.
    func settle(_ contents: inout ExtentContents) {
        guard let batch = contents.unfinished, committed.contains(batch.last) else { return }
        contents.commitUnfinished()
    }
}
