import CPmem
import PmemKV
import PmemKVTesting

/// A pool that is damaged again and again, each time asked to open and held against what check
/// says of it.
final class DamagedPool {
    let name: String
    let image: PoolImage
    private let sound: [UInt8]
    private let scratch: ScratchMedium
    private let options: OpenOptions
    /// What every key has to give, absent ones among them.
    private let contents: [(key: [UInt8], value: [UInt8]?)]
    private(set) var trials = 0
    /// What opening and check say that does not go together, and after which damage.
    private var contradictions: [String: [String]] = [:]

    private init(
        _ name: String, _ image: PoolImage, _ contents: [(key: [UInt8], value: [UInt8]?)]
    ) {
        self.name = name
        self.image = image
        self.contents = contents
        sound = image.snapshot
        scratch = ScratchMedium(image)
        options = PoolShape().options
    }

    convenience init(_ pool: SamplePool) {
        self.init(
            pool.name, pool.image,
            (0..<pool.shape.keys).map { (PoolShape.key($0), pool.expected[$0]) })
    }

    convenience init(textNamed name: String) throws {
        let text = try PoolText(named: name)
        let image = PoolImage(size: text.bytes.count)
        image.copy(from: text.bytes)
        let keys = text.contents.keys.sorted { $0.lexicographicallyPrecedes($1) }
        self.init(name, image, keys.map { ($0, text.contents[$0]) })
    }

    var block: cpmem_superblock { block(0) }
    /// The copy of the superblock that counts.
    var newestCopy: Int { block(0).update_counter > block(1).update_counter ? 0 : 1 }
    var segments: Int { Int(block.segment_count) }

    private func block(_ copy: Int) -> cpmem_superblock {
        image.view.loadUnaligned(
            fromByteOffset: copy * Int(CPMEM_SUPERBLOCK_STRIDE), as: cpmem_superblock.self)
    }

    func offset(ofLine segment: Int) -> Int {
        Int(CPMEM_TABLE_OFFSET) + segment * Int(CPMEM_LINE)
    }

    func line(_ segment: Int) -> cpmem_segment_line {
        image.view.loadUnaligned(
            fromByteOffset: offset(ofLine: segment), as: cpmem_segment_line.self)
    }

    /// Segments of extents, inner ones included.
    var segmentsInUse: [Int] {
        (0..<segments).flatMap { segment in
            let life = LifeWord(rawValue: line(segment).life)
            return segment..<(segment + (life.state == .free ? 0 : life.span))
        }
    }

    // MARK: Damage

    /// Flips every `stride`th bit of a byte range, one at a time.
    func flip(_ range: Range<Int>, stride step: Int = 1) {
        for bit in stride(from: range.lowerBound * 8, to: range.upperBound * 8, by: step) {
            attempt("bit \(bit % 8) of byte \(bit / 8) flipped") {
                let byte = image.bytes.load(fromByteOffset: bit / 8, as: UInt8.self)
                image.bytes.storeBytes(
                    of: byte ^ 1 << UInt8(bit % 8), toByteOffset: bit / 8, as: UInt8.self)
            }
        }
    }

    /// Puts a word in the place of another one.
    func replace(_ offset: Int, by word: UInt64, _ sort: Sort = .accident) {
        let old = image.view.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        if old == word { return }
        let words = [old, word].map { "0x" + String($0, radix: 16) }
        attempt("word at \(offset), \(words[0]), is \(words[1])", sort) {
            image.bytes.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
        }
    }

    /// How much of what the pool was can still be told.
    enum Sort {
        /// Checksums tell: no value may be wrong, and check reports what opening refuses and not
        /// more, but for damage that opening gets over.
        case accident
        /// The checksums were made to fit, so nobody knows what was written.
        case forgery
        /// A forgery that check may be right to report although all keys can be read: a summary or
        /// a checkpoint spares opening to look at the records behind it.
        case forgedRecords
    }

    /// Damages the pool, asks everybody, and mends it.
    func attempt(_ what: String, _ sort: Sort = .accident, _ damage: () -> Void) {
        trials += 1
        damage()
        let answers = [true, false].map { open(readOnly: $0, sort) }
        let finding = check()
        image.copy(from: sound)
        guard finding.contradicts(answers, sort) else { return }
        let answer = "reading: \(answers[0]); writing: \(answers[1]); check: \(finding)"
        contradictions[answer, default: []].append(what)
    }

    /// All contradictions, or nil when there are none: for each, some of the damage that shows it.
    var problem: String? {
        if contradictions.isEmpty { return nil }
        let lines = contradictions.map { answer, damage in
            "\(damage[0]): \(answer) (so \(damage.count) times)"
        }
        return "\(name), \(trials) trials:\n" + lines.sorted().joined(separator: "\n")
    }

    // MARK: Answers

    /// What comes of opening the pool and reading all keys.
    private enum Answer: CustomStringConvertible {
        case right
        case wrong(String)
        case refused(String)

        var isWrong: Bool { if case .wrong = self { true } else { false } }
        var isRefusal: Bool { if case .refused = self { true } else { false } }

        var description: String {
            switch self {
            case .right: "all is right"
            case .wrong(let what): what
            case .refused(let why): "refused (\(why))"
            }
        }
    }

    /// What check says.
    private enum Finding: CustomStringConvertible {
        case damage([Damage])
        case refused(String)

        /// Damage that opening gets over by itself, so that all keys give their values: a copy of
        /// the superblock, of which there is another; a summary, whose records are walked; a
        /// checkpoint, in place of which the log is replayed.
        private static let harmless: Set<Damage.Kind> = [.superblock, .summary, .checkpoint]

        func contradicts(_ answers: [Answer], _ sort: Sort) -> Bool {
            if answers.contains(where: \.isWrong) { return true }
            let isRefused = answers.contains(where: \.isRefusal)
            switch self {
            case .refused: return !isRefused
            case .damage(let damage):
                if isRefused { return damage.isEmpty }
                return sort != .forgedRecords
                    && damage.contains { !Self.harmless.contains($0.kind) }
            }
        }

        var description: String {
            switch self {
            case .damage(let damage):
                damage.isEmpty
                    ? "no damage"
                    : damage.map { "\($0.kind.rawValue) at \($0.offset)" }.joined(separator: ", ")
            case .refused(let why): "refused (\(why))"
            }
        }
    }

    private func open(readOnly: Bool, _ sort: Sort) -> Answer {
        defer { scratch.rollBack() }
        var options = options
        options.readOnly = readOnly
        do throws(StoreError) {
            let store = try PmemStore.open(on: scratch, options: options)
            defer { store.abandon() }
            for (key, value) in contents {
                let found = try store.get(key)
                if found != value, sort == .accident {
                    return .wrong("a wrong value of key \(key)")
                }
            }
            try store.close()
            return .right
        } catch {
            return .refused(error.message)
        }
    }

    private func check() -> Finding {
        do throws(StoreError) {
            return .damage(try PmemStore.check(scratch, path: "the pool").damage)
        } catch {
            return .refused(error.message)
        }
    }
}

extension SamplePool {
    /// Lengthens the value of the first record, checksums and all, until so many units of its
    /// segment are left behind it.
    func stretchFirstRecord(leaving units: Int) {
        let record = image.bytes + image.size - shape.segments * shape.segmentSize
        var header = record.loadUnaligned(as: cpmem_record.self)
        let keyLength = cpmem_shape_key_length(header.shape)
        let rest = shape.segmentSize - units * Int(CPMEM_LINE) - MemoryLayout<cpmem_record>.size
        header.shape = cpmem_shape(
            cpmem_shape_kind(header.shape), keyLength, UInt64(rest) - UInt64(keyLength))
        record.storeBytes(of: header, as: cpmem_record.self)
        ImageRepair.repair(image, shape: shape)
    }
}
