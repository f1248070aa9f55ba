import CHotPath
import Foundation
import PmemKV

/// Two threads that do the same operation on keys of their own, for a tool that follows every
/// access to memory (scripts/shared-lines):
///
///     shared-lines POOL OPERATION COUNT
///
/// With `line` as operation it uses no pool, and tells what it costs when two threads add to one
/// word.
///
/// Prints, in hexadecimal, the address of a word that is written right before and right behind the
/// operations, and an address on the stack of each thread.
///
/// Invariant: what the threads do between the two is the operations and nothing else, all keys and
/// values having been made before.
@main
struct SharedLines {
    private static let population = 1024
    private static let threads = 2
    private static let operations = ["put", "overwrite", "delete", "get", "batch8"]

    static func main() throws {
        let arguments = CommandLine.arguments
        if arguments.count == 4, arguments[2] == "line", let count = Int(arguments[3]) {
            return (1...threads).forEach { timeAdditions(threads: $0, count) }
        }
        guard arguments.count == 4, operations.contains(arguments[2]),
            let count = Int(arguments[3]), (1...population / threads / 8).contains(count)
        else {
            let usage = "usage: shared-lines POOL \(operations.joined(separator: "|")) COUNT\n"
            FileHandle.standardError.write(Data(usage.utf8))
            exit(64)
        }
        let path = arguments[1]
        defer { unlink(path) }
        let store = try PmemStore.create(at: path, options: CreateOptions(size: 64 << 20))
        let value = [UInt8](repeating: 7, count: 200)
        for number in 0..<population { try store.put(value, forKey: key(number)) }
        let group = DispatchGroup()
        print("marker", String(hot_path_marker(), radix: 16))
        for thread in 0..<threads {
            let work = try self.work(arguments[2], thread, count, store, value)
            group.enter()
            Thread {
                hot_path_await(Int32(threads))
                for step in work { step() }
                hot_path_await(Int32(threads))
                group.leave()
            }.start()
        }
        group.wait()
        try store.close()
    }

    private static func timeAdditions(threads: Int, _ count: Int) {
        let group = DispatchGroup()
        let start = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<threads {
            group.enter()
            Thread {
                hot_path_add(count)
                group.leave()
            }.start()
        }
        group.wait()
        let spent = Double(DispatchTime.now().uptimeNanoseconds - start) / Double(count)
        print(String(format: "one word, %d threads: %.1f ns an addition of each", threads, spent))
    }

    private static func key(_ number: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15) {
            [UInt8]($0) + [UInt8]($0)
        }
    }

    /// What a thread does, one operation after the other.
    private static func work(
        _ operation: String, _ thread: Int, _ count: Int, _ store: PmemStore, _ value: [UInt8]
    ) throws -> [@Sendable () -> Void] {
        func own(_ number: Int) -> [UInt8] { key(number * threads + thread) }
        return (0..<count).map { number in
            let (known, new) = (own(number), own(population + number))
            var batch = WriteBatch()
            for entry in 0..<8 { batch.put(value, forKey: own(number * 8 + entry)) }
            let entries = batch
            let buffer = Buffer()
            return {
                do {
                    switch operation {
                    case "put": try store.put(value, forKey: new)
                    case "overwrite": try store.put(value, forKey: known)
                    case "delete": _ = try store.remove(known)
                    case "get": _ = try store.get(known, into: buffer.bytes)
                    default: try store.apply(entries)
                    }
                } catch {
                    fatalError("\(error)")
                }
            }
        }
    }

    /// Where a read leaves its value.
    private final class Buffer: @unchecked Sendable {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 64)
        deinit { bytes.deallocate() }
    }
}
