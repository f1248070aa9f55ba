/// Two words for each extent, at its first segment; zero at first.
///
/// Heads take neighbouring segments, and each writes to the words of its extent with every put: so
/// those of neighbours lie in different lines.
struct ExtentWords: ~Copyable, Sendable {
    private let lines: SharedLines
    private let mask: Int
    private let shift: Int
    private static let perExtent = 2
    private static let perLine = SharedLines.wordsPerLine / perExtent

    init(_ geometry: Geometry) {
        let wanted = (geometry.segmentLimit + Self.perLine - 1) / Self.perLine
        shift = Int.bitWidth - (wanted - 1).leadingZeroBitCount
        mask = (1 << shift) - 1
        lines = SharedLines(1 << shift)
    }

    @inline(__always)
    subscript(extent: SegmentNumber, word: Int) -> AtomicWord {
        lines[extent.rawValue & mask, extent.rawValue &>> shift &* Self.perExtent &+ word]
    }
}
