import Foundation
import PmemKV
import Testing

@Suite("Descriptors of the library")
struct DescriptorTests {
    /// A program with its standard descriptors closed that opened a pool got it as descriptor 0 or
    /// 1, and wrote its next message over the superblock.
    @Test(
        "No pool becomes standard input, output or error",
        arguments: [IOPath.automatic, .syscalls])
    func standard(io: IOPath) throws {
        let path = "/dev/shm/pmemkv-standard-\(UUID().uuidString).pool"
        defer { unlink(path) }
        let found = try withoutStandardDescriptors { () throws -> [Int32] in
            var creation = CreateOptions(size: 1 << 20)
            creation.open.io = io
            let new = try PmemStore.create(at: path, options: creation)
            try new.put("v", forKey: "k")
            var open = (Int32(0)...2).filter { fcntl($0, F_GETFD) >= 0 }
            try new.close()
            let store = try PmemStore.open(at: path, options: creation.open)
            open += (Int32(0)...2).filter { fcntl($0, F_GETFD) >= 0 }
            try store.close()
            return open
        }
        #expect(found == [])
    }

    /// Runs body in a thread with a table of descriptors of its own, in which these are closed.
    private func withoutStandardDescriptors<R>(_ body: @escaping () throws -> R) throws -> R {
        nonisolated(unsafe) var result: Result<R, any Error>?
        nonisolated(unsafe) let body = body
        // The C library's header names neither of them without _GNU_SOURCE.
        let ownDescriptors: Int32 = 0x400
        let symbol = try #require(dlsym(nil, "unshare"))
        let unshare = unsafeBitCast(symbol, to: (@convention(c) (Int32) -> Int32).self)
        let thread = Thread {
            precondition(unshare(ownDescriptors) == 0, "no table of descriptors of its own")
            for descriptor in Int32(0)...2 { close(descriptor) }
            result = Result { try body() }
        }
        thread.start()
        while !thread.isFinished { usleep(1000) }
        return try #require(result).get()
    }
}
