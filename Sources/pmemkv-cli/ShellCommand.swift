import ArgumentParser
import Glibc
import PmemKV
import PmemKVText

struct Shell: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shell",
        abstract: "Read commands from a terminal or a pipe, and reply with one line to each.",
        discussion: """
            put KEY VALUE      OK, once the value is durable
            get KEY            "value" or (nil)
            del KEY ...        (integer) keys that were there
            exists KEY ...     (integer) keys that are there
            count              (integer) keys in the pool
            scan [PREFIX]      "key" "value" "key" "value" ... in order, or (empty)
            multi              OK; put and del are queued (QUEUED) until
            exec               OK, once all of them are durable, all or nothing, or
            discard            OK; the queue is dropped
            sync, quit         OK

            Words are separated by blanks; "quoted \\xNN strings" hold any byte. What is wrong is \
            told as (error) and a reason. A reply is written as soon as it is known. set, delete \
            and ls stand for put, del and scan.

            Exit status: when the commands do not come from a terminal, that of the first error, \
            and 64 when the input ends between multi and exec.
            """)

    @OptionGroup var pool: PoolArguments
    @OptionGroup var table: TableOption

    func run() throws {
        let input = try ByteInput()
        let output = ByteOutput()
        // A command whose reply nobody can see is not carried out.
        try output.flush()
        let showsPrompt = input.isTerminal && output.isTerminal
        try pool.withStore(readOnly: false) { store in
            var session = try ShellSession(store: store, table: table, output: output)
            while !session.isOver {
                if showsPrompt {
                    output.write("pmemkv> ")
                    try output.flush()
                }
                guard let line = try input.nextLine() else { break }
                session.reply(to: line)
                try output.flush()
            }
            if showsPrompt && !session.isOver { try output.printLine("") }
            if !input.isTerminal, let failure = session.failure { throw failure }
        }
    }
}
