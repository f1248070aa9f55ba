// The examples of docs/guide.md: what stands between the marks stands there, word for word.

import Foundation
import Testing

@testable import PmemKV

@Suite("The guide's examples")
struct GuideTests {
    private func makeStore() throws -> PmemStore {
        try TemporaryPool().create(4 << 20) { $0.index = .ordered }
    }

    @Test func snapshots() throws {
        let store = try makeStore()
        // guide: a snapshot
        try store.put("100", forKey: "account/alice")
        try store.put("200", forKey: "account/bob")
        let snapshot = try store.snapshot()

        try store.put("0", forKey: "account/alice")
        let then = try snapshot.get("account/alice")  // "100", as often as it is asked
        let count = snapshot.count  // 2
        try snapshot.scan(.prefix("account/")) { key, value in
            print(key.byteCount, value.byteCount)
            return true
        }
        snapshot.end()  // or when nobody refers to it any more
        // end
        #expect(then == bytes("100") && count == 2 && store.statistics.snapshots == 0)
    }

    @Test func snapshotsThatEnd() throws {
        let store = try makeStore()
        let snapshot = try store.snapshot()
        snapshot.end()
        var isTooOld = false
        // guide: a snapshot that ended
        do throws(StoreError) {
            _ = try snapshot.get("account/alice")
        } catch {
            guard error.code == .snapshotTooOld else { throw error }
            isTooOld = true  // take another one, and begin anew
        }
        // end
        #expect(isTooOld)
    }

    @Test func growth() throws {
        let store = try makeStore()
        while store.statistics.freeSegments > 14 {
            try store.put([UInt8](repeating: 1, count: 50_000), forKey: "key \(store.count)")
        }
        // guide: growing
        let numbers = store.statistics
        if numbers.freeSegments < numbers.segments / 4, numbers.poolBytes < numbers.maximumPoolBytes
        {
            try store.grow(to: min(2 * numbers.poolBytes, numbers.maximumPoolBytes))
        }
        // end
        #expect(store.statistics.poolBytes == 8 << 20)
    }

    @Test func transactions() throws {
        let store = try makeStore()
        try store.put("100", forKey: "account/alice")
        // guide: a transaction
        struct InsufficientFunds: Error {}

        func balance(_ tx: Transaction, _ account: String) throws(StoreError) -> Int {
            try tx.get(account).flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        }

        func transfer(_ amount: Int, from: String, to: String) throws {
            try store.transaction { tx in
                let left = try balance(tx, from) - amount
                guard left >= 0 else { throw InsufficientFunds() }  // nothing is written
                try tx.put("\(left)", forKey: from)
                try tx.put("\(try balance(tx, to) + amount)", forKey: to)
            }
        }
        try transfer(30, from: "account/alice", to: "account/bob")
        // end
        #expect(try store.get("account/bob") == bytes("30"))
        #expect(throws: InsufficientFunds.self) {
            try transfer(300, from: "account/alice", to: "account/bob")
        }
    }

    @Test func ranges() throws {
        let store = try makeStore()
        for number in 1...3 { try store.put("job \(number)", forKey: "queue/\(number)") }
        // guide: a range in a transaction
        let job = try store.transaction { tx in
            var first: (key: [UInt8], value: [UInt8])?
            try tx.scan(.prefix("queue/"), limit: 1) { key, value in
                first = (key.withUnsafeBytes { Array($0) }, value.withUnsafeBytes { Array($0) })
                return true
            }
            if let first { try tx.remove(first.key) }
            return first?.value  // no other worker gets it
        }
        // end
        #expect(job == bytes("job 1") && store.count == 2)
    }

    @Test func tables() throws {
        let store = try makeStore()
        // guide: tables
        let users = try store.table(named: "users")  // made by the first put
        try users.put("Ada", forKey: "1")
        try store.put("42", forKey: "1")  // another key: it is in no table

        try store.transaction { tx in  // across tables
            let sessions = try tx.table(named: "sessions")
            if let name = try tx.table(named: "users").get("1") {
                try sessions.put(name, forKey: "token")
            }
        }
        let before = try store.snapshot()
        try users.clear()  // one record, however many keys
        try store.table(named: "sessions").drop()
        let names = try before.table(named: "users").entries()  // what there was
        let tables = try store.tables()  // "users", with 0 keys
        // end
        #expect(names.map(\.value) == [bytes("Ada")])
        #expect(tables == [TableInfo(name: "users", count: 0)])
        #expect(store.count == 1)
    }

    @Test func expectations() throws {
        let store = try makeStore()
        try store.put("draft", forKey: "page/1")
        // guide: a batch with expectations
        guard let page = try store.getVersioned("page/1") else { return }
        var batch = WriteBatch()
        batch.put(page.value + Array(", revised".utf8), forKey: "page/1")
        batch.put("page/1", forKey: "index/revised")
        let isApplied = try store.apply(
            batch,
            expecting: [.version(page.version, forKey: "page/1"), .absent("index/revised")])
        // end
        #expect(try isApplied && store.get("page/1") == bytes("draft, revised"))
    }

    @Test func cursors() throws {
        let store = try makeStore()
        for word in ["ash", "beech", "birch", "oak"] { try store.put("tree", forKey: word) }
        var seen: [String] = []
        // guide: a cursor
        var cursor = try store.cursor()
        if try cursor.seek("b") {  // the first key that is not below
            repeat {
                cursor.withEntry { key, _ in
                    seen.append(key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
                }
            } while try cursor.next()
        }
        _ = try cursor.last()
        _ = try cursor.previous()  // "birch"
        // end
        let key = cursor.key
        #expect(seen == ["beech", "birch", "oak"] && key == bytes("birch"))
    }

    @Test func throwingBodies() throws {
        let store = try makeStore()
        try store.put("no number", forKey: "n")
        func example() throws {
            // guide: a body that throws
            let number = try store.withValue(forKey: "n") { value throws(StoreError) -> Int in
                let text = value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                guard let number = Int(text) else {
                    throw StoreError(.corrupt, "'\(text)' is no number")
                }
                return number
            }
            // end
            #expect(number == nil)
        }
        let error = #expect(throws: StoreError.self) { try example() }
        #expect(error?.message == "'no number' is no number")
    }

    @Test func backups() throws {
        let store = try makeStore()
        let pool = TemporaryPool()
        let path = pool.path
        // guide: a backup
        try store.backup(to: path, holdingWritersFor: .seconds(10))
        // end
        #expect(try pool.open().count == 0)
    }

    // MARK: Word for word

    @Test func standInTheGuide() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../..").standardized
        let source = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
        let guide = try String(contentsOf: root.appending(path: "docs/guide.md"), encoding: .utf8)
        let examples = Self.blocks(of: source, from: "// guide:", to: "// end")
        let shown = Self.blocks(of: guide, from: "```swift", to: "```")
        #expect(examples.count > 5 && Set(examples) == Set(shown))
    }

    /// The lines between two marks, without what all are indented by.
    private static func blocks(of text: String, from start: String, to end: String) -> [String] {
        var blocks: [String] = []
        var open: [Substring]?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let words = line.drop { $0 == " " }
            if let lines = open, words == end[...] {
                let indents = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }
                let indent = indents.min() ?? 0
                blocks.append(lines.map { $0.dropFirst(indent) }.joined(separator: "\n"))
                open = nil
            } else if open != nil {
                open?.append(line)
            } else if words.hasPrefix(start) {
                open = []
            }
        }
        return blocks
    }
}
