import ArgumentParser
import PmemKV
import PmemKVText

struct Tables: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tables",
        abstract: "Print the tables of a pool and how many keys each has.",
        discussion: """
            A line a table, in the order of their names: the number of keys, a tab, the name, as \
            'scan' shows it. With --json a line is an object with members schema (1), name and \
            keys. A table is made by the first put into it.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var json: JSONOption

    func run() throws {
        let tables = try pool.withStore(readOnly: true) { try $0.tables() }
        let output = ByteOutput()
        for table in tables {
            if json.isJSON {
                var sheet = FactSheet()
                sheet.add("name", .text(table.name))
                sheet.add("keys", .integer(table.count))
                try sheet.print(json: true, to: output)
            } else {
                output.write("\(table.count)\t\(EscapedText.printable(table.name))\n")
            }
        }
        try output.flush()
    }
}

struct Clear: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear",
        abstract: "Remove all keys that belong to no table, or to one.",
        discussion: """
            At one moment, and durably. Their room comes back as it is needed. Exit status: 1 \
            when there is no such table.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption

    func run() throws {
        let isThere = try pool.withStore(readOnly: false) { store in
            guard let name = table.table else {
                try store.clear()
                return true
            }
            return try store.table(named: name).clear()
        }
        if !isThere { throw Failure.noSuchTable }
    }
}

struct Drop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop",
        abstract: "Remove a table with all of its keys.",
        discussion: "As clear. Exit status: 1 when there is no such table.")

    @OptionGroup var pool: PoolArguments
    @Argument(help: "The table's name.") var table: String

    func run() throws {
        let isThere = try pool.withStore(readOnly: false) { store in
            try store.table(named: table).drop()
        }
        if !isThere { throw Failure.noSuchTable }
    }
}
