import Glibc
import PmemKV

/// What the store's single operations cost, in a form that two builds can be compared by:
///
///     hot-path POOL COUNT [OPERATION ...]
///
/// Makes a pool, measures COUNT of every operation, or of those named (see ``Meter``), and removes
/// the pool.
///
/// Invariants:
/// - Only the public interface is used, and as little of it as possible: the same source has to
///   build against old and new commits.
/// - Keys, values and their order depend on COUNT alone. An operation leaves to those behind it
///   the same keys in every build.
/// - The pool's blocks are there before anything is measured, and it is so large that nothing is
///   compacted but where that is what is measured: both would be counted now here, now there.
@main
struct HotPath {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let path = arguments.first, let count = arguments.dropFirst().first.flatMap(Int.init),
            count >= 1 << 12, count & (count - 1) == 0
        else {
            let usage = "usage: hot-path POOL COUNT [OPERATION ...], COUNT a power of two\n"
            write(STDERR_FILENO, usage, usage.utf8.count)
            exit(64)
        }
        let meter = Meter(count: count, wanted: Set(arguments.dropFirst(2)))
        meter.awaitTurn()
        defer { unlink(path) }
        try makePool(at: path, size: max(64 << 20, count * 4096))

        let store = try PmemStore.open(at: path)
        let operations = Operations(store: store, population: 2 * count)
        try operations.populate()
        try operations.runWrites(meter)
        try operations.runReads(meter)
        try operations.runRemoves(meter)
        try operations.runCompaction(meter, as: "compact")
        let keys = store.count
        try store.close()

        guard Operations.ordered.contains(where: meter.wants) else { return }
        var options = OpenOptions()
        options.index = .ordered
        // A key of the store that is opened and closed.
        try meter.measure("ordered-open", share: count / 8, weight: keys) { _ in
            try PmemStore.open(at: path, options: options).close()
        }
        let ordered = try PmemStore.open(at: path, options: options)
        let inOrder = Operations(store: ordered, population: 2 * count)
        try inOrder.runOrdered(meter)
        try inOrder.runCompaction(meter, as: "compact-ordered")
        try ordered.close()
    }

    /// Makes an empty pool whose pages are all there. Mapping them is left to the store, which
    /// does it on a thread of its own.
    private static func makePool(at path: String, size: Int) throws {
        try PmemStore.create(at: path, options: CreateOptions(size: size)).close()
        let file = open(path, O_RDONLY)
        let pages = mmap(nil, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0)
        guard file >= 0, pages != MAP_FAILED else { fatalError("cannot map \(path)") }
        munmap(pages, size)
        close(file)
    }
}
