/// Finding free segments, and making the next ones ready.
extension Segments {
    /// The first of so many neighbouring free segments. Under the lock. O(segments).
    func findRun(_ span: Int, outside window: Range<SegmentNumber>?) -> SegmentNumber? {
        if searchStart >= geometry.segmentCount { searchStart = 0 }
        let start = SegmentNumber(searchStart)
        return findRun(span, in: start..<geometry.segments.upperBound, outside: window)
            ?? findRun(span, in: geometry.segments, outside: window)
    }

    private func findRun(
        _ span: Int, in range: Range<SegmentNumber>, outside window: Range<SegmentNumber>?
    ) -> SegmentNumber? {
        var length = 0
        for segment in range {
            let isUsable =
                phase(segment) == .free && life(segment).generation < LifeWord.lastGeneration
                && !(window?.contains(segment) ?? false)
            length = isUsable ? length + 1 : 0
            if length == span { return segment + (1 - span) }
        }
        return nil
    }

    /// Free segments behind the last one taken that are kept prepared.
    private static let prefaultedAhead = 2

    /// Prepares one of the segments that are taken next. False when all are.
    func prepareNext() -> Bool {
        lock.lock()
        let start = SegmentNumber(min(searchStart, geometry.segmentCount))
        let next = (start..<geometry.segments.upperBound).lazy
            .filter { self.phase($0) == .free }.prefix(Self.prefaultedAhead)
            .first(where: claimPreparation)
        lock.unlock()
        next.map(prepare)
        return next != nil
    }

    /// Returns when no segment is being prepared any more, and none will be.
    func stopPrefaulting() { prefaulter?.stop() }
}
