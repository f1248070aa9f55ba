import Glibc
import PmemKV

/// Faults of real media under an open store.
///
/// arguments: pool= kind=poison-read|poison-write|truncate|disable|badblocks|io-error
///   namespace= (disable) block=pmemN (badblocks) keys= (60)
///   lost-block= (4096; the bytes that go with one poisoned page: 2 MiB on such a devdax)
///
/// What must hold: the process lives; a value that was hit is reported as a media error, never as
/// a wrong value; values that were not hit are served; a put that succeeds after the fault is there
/// after reopening; a refused one says why.
struct Fault {
    private let arguments: Arguments
    private let report: Reporter
    private let pool: String
    private let kind: String
    private let keys: Int
    private let lostBlock: UInt
    private static let victim = 29

    init(_ arguments: Arguments, _ report: Reporter) {
        self.arguments = arguments
        self.report = report
        pool = arguments.string("pool")
        kind = arguments.string("kind")
        keys = arguments.number("keys", default: 60)
        lostBlock = UInt(arguments.number("lost-block", default: 4096))
    }

    func run() throws {
        report.test(kind) {
            try prepare()
            switch kind {
            case "poison-read": try poisonUnderReads()
            case "poison-write": try poisonUnderWrites()
            case "truncate": try truncateUnderStore()
            case "disable": try disableUnderStore()
            case "badblocks": try badBlocks()
            case "io-error": try failingDisk()
            default: throw Mismatch("unknown kind \(kind)")
            }
        }
    }

    private func key(_ number: Int) -> String { "fault\(number)" }

    /// Each value begins with its own name, so that it can be found on the medium, where the pools
    /// of other kinds lie as well.
    private func value(_ number: Int) -> [UInt8] {
        let name = Array("<\(kind)-\(1_000_000 + number)>".utf8)
        let filler = UInt8(97 + number % 26)
        return name + [UInt8](repeating: filler, count: 12_000 - name.count)
    }

    private func prepare() throws {
        let store = try PmemStore.open(at: pool)
        for number in 0..<keys { try store.put(value(number), forKey: key(number)) }
        try store.close()
    }

    // MARK: Kinds

    private func poisonUnderReads() throws {
        let store = try PmemStore.open(at: pool)
        let page = try page(of: Self.victim)
        let lost = try numbers(inBlockOf: page)
        try expect(lost.count < keys, "all values lie in one block")
        try poison(page)
        try expectMediaError("get") { _ = try store.get(key(Self.victim)) }
        try expectServed(store, except: lost)
        try expectTruthfulPut(store, "after-poison")
        // The emulated page keeps its contents, so reopening must find every value.
        let again = try PmemStore.open(at: pool)
        try expectServed(again, except: [])
        try again.close()
    }

    private func poisonUnderWrites() throws {
        let store = try PmemStore.open(at: pool)
        let last = UInt(4096)
        let tail = try page(of: keys - 1)
        for number in 1...8 { try poison(tail + last * UInt(number + 2)) }
        var acknowledged: [String] = []
        var refused = false
        for number in 0..<8 {
            do throws(StoreError) {
                try store.put(value(number), forKey: "tail\(number)")
                acknowledged.append("tail\(number)")
            } catch {
                try expect(error.code == .media, "a put failed with \(error)")
                refused = true
            }
        }
        try expect(refused, "puts onto poisoned pages were all acknowledged")
        try? store.close()
        let again = try PmemStore.open(at: pool)
        for (number, key) in acknowledged.enumerated() {
            try expect(again.get(key) == value(number), "\(key) was acknowledged and is lost")
        }
        try expectServed(again, except: [])
        try again.close()
    }

    private func truncateUnderStore() throws {
        let store = try PmemStore.open(at: pool)
        let half = try offset(of: Self.victim) & ~4095
        try expect(truncate(pool, off_t(half)) == 0, "truncate failed")
        var hit = 0
        for number in 0..<keys {
            var found: [UInt8]?
            do throws(StoreError) {
                found = try store.get(key(number))
            } catch {
                try expect(error.code == .media, "\(key(number)): \(error)")
                hit += 1
                continue
            }
            try expect(found == value(number), "\(key(number)) has a wrong value")
        }
        try expect(hit > 0 && hit < keys, "\(hit) of \(keys) values hit")
        try expectMediaError("put") { try store.put([1], forKey: "after") }
        try? store.close()
        do throws(StoreError) {
            try PmemStore.open(at: pool).close()
        } catch {
            let codes: [StoreError.Code] = [.corrupt, .notAPool, .media, .io]
            try expect(codes.contains(error.code), "reopening a truncated pool: \(error)")
            return
        }
        throw Mismatch("a truncated pool was opened")
    }

    private func disableUnderStore() throws {
        let store = try PmemStore.open(at: pool)
        let namespace = arguments.string("namespace")
        let status = runProgram(["/bin/ndctl", "disable-namespace", namespace])
        try expect(status == 0, "ndctl disable-namespace: \(status)")
        try expectMediaError("get") { _ = try store.get(key(Self.victim)) }
        try expectMediaError("put") { try store.put([1], forKey: "after") }
        try? store.close()
        try expect(runProgram(["/bin/ndctl", "enable-namespace", namespace]) == 0, "enable failed")
        let again = try PmemStore.open(at: pool)
        try expectServed(again, except: [])
        try again.close()
    }

    private func badBlocks() throws {
        let block = arguments.string("block")
        let position = try find(value(Self.victim), in: "/dev/\(block)")
        let sector = (position & ~4095) / 512
        guard let file = fopen("/sys/block/\(block)/badblocks", "w") else {
            throw Mismatch("badblocks cannot be written")
        }
        fputs("\(sector) 8\n", file)
        try expect(fclose(file) == 0, "badblocks refused the range")
        let status = runProgram(["/bin/pmemkv", "check", pool])
        try expect(status == 1 << 8, "check of a pool with a bad block: wait status \(status)")
        let store = try PmemStore.open(at: pool)
        let neighbours = [Self.victim - 1, Self.victim, Self.victim + 1]
        try expectServed(store, except: neighbours)
        try expectMediaError("get") { _ = try store.get(key(Self.victim)) }
        try? store.close()
        let salvaged = pool + ".salvaged"
        let repair = runProgram(["/bin/pmemkv", "repair", pool, "--to", salvaged])
        try expect(repair == 0 || repair == 1 << 8, "repair: wait status \(repair)")
        let copy = try PmemStore.open(at: salvaged)
        try expectServed(copy, except: neighbours)
        try expect(copy.get(key(Self.victim)) == nil, "repair salvaged a value from a bad block")
        try copy.close()
    }

    /// The disk refuses writes: what cannot be made durable is not acknowledged, and the store
    /// refuses further writes until it is opened again, even when the disk works again.
    private func failingDisk() throws {
        var options = OpenOptions()
        options.io = arguments.io
        let store = try PmemStore.open(at: pool, options: options)
        try store.put([1], forKey: "before")
        try change("break")
        try expectError(.io, "put on a failing disk") { try store.put([1], forKey: "during") }
        try expectError(.io, "put after a failure") { try store.put([1], forKey: "after") }
        try? store.close()
        try change("mend")
        let again = try PmemStore.open(at: pool, options: options)
        try expect(again.get("before") == [1], "an acknowledged value is lost")
        try expect(again.get("after") == nil, "a refused value is there")
        try expectServed(again, except: [])
        try again.put([2], forKey: "after")
        try again.close()
    }

    private func change(_ what: String) throws {
        let status = runProgram(["/bin/sh", "/vm/io_error.sh", what])
        try expect(status == 0, "io_error.sh \(what): \(status)")
    }

    // MARK: Expectations

    private func expectMediaError(_ what: String, _ body: () throws -> Void) throws {
        try expectError(.media, what, body)
    }

    private func expectError(
        _ code: StoreError.Code, _ what: String, _ body: () throws -> Void
    ) throws {
        do {
            try body()
        } catch let error as StoreError {
            try expect(error.code == code, "\(what): expected \(code), got \(error.code): \(error)")
            return
        }
        throw Mismatch("\(what) succeeded")
    }

    private func expectServed(_ store: PmemStore, except lost: [Int]) throws {
        for number in 0..<keys where !lost.contains(number) {
            try expect(store.get(key(number)) == value(number), "\(key(number)) is not served")
        }
    }

    /// A put after a fault either fails with a media error or is there after reopening.
    private func expectTruthfulPut(_ store: PmemStore, _ name: String) throws {
        var acknowledged = false
        do throws(StoreError) {
            try store.put([1, 2, 3], forKey: name)
            acknowledged = true
        } catch {
            try expect(error.code == .media, "a put failed with \(error)")
        }
        try? store.close()
        guard acknowledged else { return }
        let again = try PmemStore.open(at: pool)
        try expect(again.get(name) == [1, 2, 3], "\(name) was acknowledged and is lost")
        try again.close()
    }

    // MARK: The medium

    private func offset(of number: Int) throws -> Int {
        guard let range = mappings(of: pool).first else { throw Mismatch("no mapping of \(pool)") }
        return Int(try address(of: number) - range.lowerBound)
    }

    private func page(of number: Int) throws -> UInt {
        // The middle of the value, so that the record's header is on another page.
        (try address(of: number) + 6000) & ~4095
    }

    /// The values that share the lost block with an address.
    private func numbers(inBlockOf address: UInt) throws -> [Int] {
        let block = address & ~(lostBlock - 1)
        return try (0..<keys).filter { number in
            let start = try self.address(of: number)
            return start < block + lostBlock && start + 12_000 > block - 4096
        }
    }

    private func address(of number: Int) throws -> UInt {
        let pattern = Array(value(number).prefix(200))
        for range in mappings(of: pool) {
            let bytes = UnsafeRawBufferPointer(
                start: UnsafeRawPointer(bitPattern: range.lowerBound), count: range.count)
            if let found = firstOffset(of: pattern, in: bytes) {
                return range.lowerBound + UInt(found)
            }
        }
        throw Mismatch("value \(number) is not in the mapping")
    }

    private func poison(_ address: UInt) throws {
        let MADV_HWPOISON: Int32 = 100
        let result = madvise(UnsafeMutableRawPointer(bitPattern: address), 4096, MADV_HWPOISON)
        try expect(result == 0, "MADV_HWPOISON: errno \(errno)")
    }

    /// Where the bytes lie on a block device.
    private func find(_ value: [UInt8], in device: String) throws -> Int {
        sync()
        let descriptor = open(device, O_RDONLY)
        try expect(descriptor >= 0, "cannot read \(device)")
        defer { close(descriptor) }
        let pattern = Array(value.prefix(200))
        let chunk = 1 << 20
        var buffer = [UInt8](repeating: 0, count: chunk + 4096)
        var position = 0
        while true {
            let count = buffer.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress, $0.count, off_t(position))
            }
            guard count > 0 else { throw Mismatch("the value is not on \(device)") }
            let found = buffer.withUnsafeBytes { bytes in
                firstOffset(of: pattern, in: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            }
            if let found { return position + found }
            position += chunk
        }
    }
}

/// The first place of a pattern, looked for by its first byte.
private func firstOffset(of pattern: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var position = 0
    while bytes.count - position >= pattern.count {
        let window = bytes.count - position - pattern.count + 1
        guard let hit = memchr(base + position, Int32(pattern[0]), window) else { return nil }
        position = UnsafeRawPointer(hit) - base
        if memcmp(hit, pattern, pattern.count) == 0 { return position }
        position += 1
    }
    return nil
}
