import Testing

@testable import PmemKV

@Suite("Record stream")
struct RecordStreamTests {
    /// Bytes of which no two runs of a line's length are alike, so that one at a wrong place shows.
    private static let noise: [UInt8] = (0..<200_000).map { position in
        var word = UInt64(position) &* 0x9E37_79B9_7F4A_7C15
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        return UInt8(truncatingIfNeeded: (word ^ word >> 27) >> 16)
    }
    private static let header = [UInt8](repeating: 0xEE, count: RecordLayout.headerSize)
    private static let first = Location(units: 1000)
    private static let longestStaged = OwnedHead.stagingBytes - Geometry.line

    /// Lengths of values under such a key: around those at which a stream changes its way, and
    /// those that end a record around the longest one that needs no stream.
    private static func valueLengths(key: Int) -> [Int] {
        let bare = RecordLayout.headerSize + key
        let alone = [0, 1, 960, 1023, 1024, 1025, 1087, 1088, 3008, 3071, 3072, 3073, 3136]
        let inAll = [4095, 4096, 4097, 4160, 8192, 102_400, 102_401]
        return (alone + inAll.map { $0 - bare })
            .filter { $0 >= 0 && bare + $0 > OwnedHead.stagingBytes }
    }

    /// The medium gets what one flat copy of the record would give it, whole lines, none of them
    /// twice, and the one with the header when all others are there.
    @Test(arguments: [64, 3072, .max], [1, 31, 32, 33, 96, 65_536])
    func writesEachLineOnce(piece: Int, key keyLength: Int) {
        let key = Array(Self.noise.prefix(keyLength))
        let lengths = Self.valueLengths(key: keyLength)
        #expect(lengths.contains(102_401 - RecordLayout.headerSize - keyLength))
        for length in lengths {
            let value = Array(Self.noise.dropFirst(keyLength).prefix(length))
            let flat = Self.header + key + value
            let lines = Units(roundingUp: flat.count)
            let seen = stream(key, value, piece: piece)
            let told = "a value of \(length) bytes"
            #expect(seen.prepared == value, "\(told)")
            #expect(seen.unprepared == 0, "\(told)")

            var whole = [UInt8](repeating: 0xDD, count: lines.bytes)
            var timesWritten = [Int](repeating: 0, count: lines.count)
            for part in seen.parts {
                let start = part.offset
                #expect(part.bytes.count % Geometry.line == 0 && !part.bytes.isEmpty, "\(told)")
                #expect(part.bytes.count <= max(piece, Self.longestStaged), "\(told)")
                guard start >= 0, start + part.bytes.count <= whole.count else {
                    Issue.record("\(told): a part is outside the record")
                    continue
                }
                whole.replaceSubrange(start..<(start + part.bytes.count), with: part.bytes)
                for line in 0..<part.bytes.count / Geometry.line {
                    timesWritten[start / Geometry.line + line] += 1
                }
            }
            #expect(timesWritten.allSatisfy { $0 == 1 }, "\(told)")
            let isSame =
                whole == flat + [UInt8](repeating: 0, count: whole.count - flat.count)
            #expect(isSame, "\(told)")
            #expect(seen.parts.last?.offset == 0, "\(told)")
            #expect(seen.parts.last?.bytes.count == Geometry.line, "\(told)")
            // Where each part has a price: key and value in one piece each, what is between them
            // and behind them, and the header's line.
            if piece == .max { #expect(seen.parts.count <= 5, "\(told)") }
        }
    }

    private struct Seen {
        /// What went to the medium, in order, with its distance from the start of the record.
        var parts: [(offset: Int, bytes: [UInt8])] = []
        /// What was prepared of the value.
        var prepared: [UInt8] = []
        /// Parts that held bytes of the value which were not prepared yet.
        var unprepared = 0
    }

    /// Streams a record as ``Log`` does, through a buffer that holds something else.
    private func stream(_ key: [UInt8], _ value: [UInt8], piece: Int) -> Seen {
        let staging = UnsafeMutableRawPointer.allocate(
            byteCount: OwnedHead.stagingBytes, alignment: Geometry.line)
        defer { staging.deallocate() }
        staging.initializeMemory(as: UInt8.self, repeating: 0xAA, count: OwnedHead.stagingBytes)
        var seen = Seen()
        let emit = { (bytes: ByteView, location: Location) in
            let offset = (Int(location.units) - Int(Self.first.units)) * Geometry.line
            seen.parts.append((offset, bytes.array))
            let end = offset + bytes.count - Self.header.count - key.count
            if min(end, value.count) > seen.prepared.count { seen.unprepared += 1 }
        }
        var stream = RecordStream(
            staging: staging, location: Self.first, headerSize: Self.header.count,
            piece: piece)
        key.withByteView { stream.write($0, emit) { _ in } }
        value.withByteView { stream.write($0, emit) { seen.prepared += $0.array } }
        Self.header.withByteView { stream.finish(header: $0, emit) }
        return seen
    }
}
