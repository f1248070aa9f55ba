import ArgumentParser
import PmemKV

@main
struct Pmemkv: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pmemkv", subcommands: [Doctor.self])
}
