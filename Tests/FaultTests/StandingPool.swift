import Foundation
import PmemKV
import PmemKVTesting

/// A copy of a pool that can be opened as often as wanted: on a medium in memory, or as a file
/// that goes away with its owner.
final class StandingPool {
    private let image: PoolImage
    private let file: URL?

    init(_ text: PoolText, _ place: FormatVersionTests.Place) throws {
        image = PoolImage(size: text.bytes.count)
        image.copy(from: text.bytes)
        file =
            place == .memory
            ? nil
            : FileManager.default.temporaryDirectory
                .appending(path: "pmemkv-version-\(UUID().uuidString)")
        try file.map { try Data(text.bytes).write(to: $0) }
    }

    deinit {
        if let file { try? FileManager.default.removeItem(at: file) }
    }

    func open(_ index: IndexKind, readOnly: Bool = false) throws(StoreError) -> PmemStore {
        var options = OpenOptions()
        options.index = index
        options.readOnly = readOnly
        if let file { return try PmemStore.open(at: file.path, options: options) }
        return try PmemStore.open(on: ScratchMedium(image), options: options)
    }

    func check() throws(StoreError) -> CheckReport {
        if let file { return try PmemStore.check(at: file.path) }
        return try PmemStore.check(ScratchMedium(image), path: "a pool in memory")
    }

    func bytes() throws -> [UInt8] {
        try file.map { [UInt8](try Data(contentsOf: $0)) } ?? image.snapshot
    }
}
