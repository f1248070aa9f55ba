import Glibc

/// The guest's side of the marker page described in plugin/marker.h.
enum Marker {
    private static let base: UInt = 0x5100_0000_0000
    private static let size = 0x2000

    enum Command: UInt { case argument, reset, range, name, begin, acknowledge, end }

    /// Maps the marker page at its fixed address.
    static func open() throws {
        let page = mmap(
            UnsafeMutableRawPointer(bitPattern: base), size, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | 0x100000 /* MAP_FIXED_NOREPLACE */, -1, 0)
        try expect(UInt(bitPattern: page) == base, "the marker page is taken")
        touch(base + 0x800)
        touch(base + 0x1800)
    }

    @inline(never)
    private static func touch(_ address: UInt) {
        UnsafeMutablePointer<UInt8>(bitPattern: address)!.pointee = 1
    }

    static func send(_ command: Command, _ arguments: UInt64...) {
        for argument in arguments { push(argument) }
        touch(base + 0x1000 + 8 * command.rawValue)
    }

    private static func push(_ value: UInt64) {
        for shift in stride(from: 60, through: 0, by: -4) {
            touch(base + 8 * UInt(value >> UInt64(shift) & 15))
        }
        touch(base + 0x1000 + 8 * Command.argument.rawValue)
    }

    static func begin(_ name: String) {
        let bytes = Array(name.utf8)
        for start in stride(from: 0, to: bytes.count, by: 8) {
            var word: UInt64 = 0
            for (position, byte) in bytes[start..<min(start + 8, bytes.count)].enumerated() {
                word |= UInt64(byte) << UInt64(8 * position)
            }
            push(word)
        }
        send(.name)
        send(.begin)
    }
}

/// The addresses at which this process maps a file, from /proc/self/maps.
func mappings(of path: String) -> [Range<UInt>] {
    guard let file = fopen("/proc/self/maps", "r") else { return [] }
    defer { fclose(file) }
    var found: [Range<UInt>] = []
    var buffer: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(buffer) }
    while getline(&buffer, &capacity, file) > 0 {
        let line = String(cString: buffer!).split(separator: "\n").first ?? ""
        guard line.hasSuffix(" " + path) else { continue }
        let addresses = line.prefix(while: { $0 != " " }).split(separator: "-")
        guard let start = UInt(addresses[0], radix: 16), let end = UInt(addresses[1], radix: 16)
        else { continue }
        if let last = found.last, last.upperBound == start {
            found[found.count - 1] = last.lowerBound..<end
        } else {
            found.append(start..<end)
        }
    }
    return found
}
