import ArgumentParser
import PmemKV

/// The table that a command works on.
struct TableOption: ParsableArguments {
    @Option(help: "The table of the keys; those of no table without it.")
    var table: String?

    func validate() throws {
        guard let table, !(1...255).contains(table.utf8.count) else { return }
        throw ValidationError("A table's name has 1 to 255 bytes, not \(table.utf8.count).")
    }

    /// Where the keys are. A table need not be there: it is empty then, and made by the first put.
    func keys(of store: PmemStore) throws -> any KeySpace {
        guard let table else { return store }
        return try store.table(named: table)
    }
}
