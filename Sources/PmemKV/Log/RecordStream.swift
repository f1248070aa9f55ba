/// Writes a long record in whole lines: first all but the line with its header, then that one. Long
/// runs of whole lines go straight from where they are, the rest through a buffer.
///
/// Invariants:
/// - The first line of the buffer is that of the header, which is written last. Behind it stand
///   `staged` bytes that belong at `next`.
/// - No line is written twice, and none in part.
@safe
struct RecordStream {
    private let buffer: UnsafeMutableRawPointer
    private let first: Location
    private let piece: Int
    /// Bytes of the first line that are there, the header's included.
    private var begun: Int
    private var staged = 0
    private var next: Location

    private static let line = Geometry.line
    private static let room = OwnedHead.stagingBytes - line
    /// Runs from this many bytes on are not copied to the buffer first.
    private static let longRun = 1024

    typealias Emit = (ByteView, Location) -> Void

    /// - Parameters:
    ///   - staging: ``OwnedHead/stagingBytes`` at the start of a line.
    ///   - headerSize: bytes in front of the key.
    ///   - piece: bytes that go straight to the medium at a time, whole lines.
    @unsafe
    init(staging: UnsafeMutableRawPointer, location: Location, headerSize: Int, piece: Int) {
        unsafe buffer = staging
        begun = headerSize
        first = location
        next = location + Units(1)
        self.piece = piece
    }

    /// Writes what follows. `prepare` sees each part of it, in order, before that is written.
    mutating func write(_ bytes: ByteView, _ emit: Emit, prepare: (ByteView) -> Void) {
        var rest = bytes
        while !rest.isEmpty {
            let isRun = staged & (Self.line - 1) == 0 && rest.count >= Self.longRun
            let part = rest.prefix(
                begun < Self.line
                    ? min(rest.count, Self.line - begun)
                    : isRun ? min(rest.count & ~(Self.line - 1), piece) : roomFor(rest.count))
            prepare(part)
            if begun < Self.line {
                stage(part, at: begun)
                begun += part.count
            } else if isRun {
                flush(emit)
                pass(part, emit)
            } else {
                stage(part, at: Self.line + staged)
                staged += part.count
                if staged == Self.room { flush(emit) }
            }
            rest = rest.dropFirst(part.count)
        }
    }

    /// Writes what is left, and the header.
    mutating func finish(header: ByteView, _ emit: Emit) {
        assert(begun == Self.line)
        let end = Units(roundingUp: staged).bytes
        unsafe (buffer + (Self.line + staged)).initializeMemory(
            as: UInt8.self, repeating: 0, count: end - staged)
        staged = end
        flush(emit)
        stage(header, at: 0)
        emit(unsafe ByteView(base: buffer, count: Self.line), first)
    }

    /// Bytes to stage of so many: up to the next line when a run can follow, else what fits.
    private func roomFor(_ count: Int) -> Int {
        let toLine = Self.line - staged & (Self.line - 1)
        return min(count, count >= Self.longRun + toLine ? toLine : Self.room - staged)
    }

    private func stage(_ bytes: ByteView, at offset: Int) {
        unsafe (buffer + offset).copyMemory(
            from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
    }

    private mutating func flush(_ emit: Emit) {
        guard staged > 0 else { return }
        pass(unsafe ByteView(base: buffer + Self.line, count: staged), emit)
        staged = 0
    }

    private mutating func pass(_ bytes: ByteView, _ emit: Emit) {
        emit(bytes, next)
        next = next + Units(roundingUp: bytes.count)
    }
}
