/// Finding free segments, and making the next ones ready.
extension Segments {
    /// The first of so many neighbouring free segments. Under the lock. O(log segments) for one
    /// segment, O(free segments) for more.
    func findRun(_ span: Int, outside window: Range<SegmentNumber>?) -> SegmentNumber? {
        if searchStart >= count { searchStart = 0 }
        return findRun(span, from: searchStart, outside: window)
            ?? findRun(span, from: 0, outside: window)
    }

    private func findRun(
        _ span: Int, from start: Int, outside window: Range<SegmentNumber>?
    ) -> SegmentNumber? {
        var run = start..<start
        var number = free.first(from: start)
        while let segment = number {
            if let window, window.contains(SegmentNumber(segment)) {
                number = free.first(from: window.upperBound.rawValue)
                continue
            }
            run = segment == run.upperBound ? run.lowerBound..<segment + 1 : segment..<segment + 1
            if run.count == span { return SegmentNumber(run.lowerBound) }
            number = free.first(from: segment + 1)
        }
        return nil
    }

    /// Free segments behind the last one taken that are kept prepared.
    private static let prefaultedAhead = 2

    /// Prepares one of the segments that are taken next. False when all are.
    func prepareNext() -> Bool {
        lock.lock()
        var place = searchStart
        var claimed: SegmentNumber?
        for _ in 0..<Self.prefaultedAhead where claimed == nil {
            guard let next = free.first(from: place) else { break }
            if claimPreparation(SegmentNumber(next)) { claimed = SegmentNumber(next) }
            place = next + 1
        }
        lock.unlock()
        claimed.map(prepare)
        return claimed != nil
    }

    /// Returns when no segment is being prepared any more, and none will be.
    func stopPrefaulting() { prefaulter?.stop() }
}
