import ArgumentParser
import Foundation

/// What a child process runs; not for people.
struct RunOnePhaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run-one-phase", abstract: "One phase of one engine.", shouldDisplay: false)

    @Argument var task: String
    @Argument var result: String

    func run() throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: task))
        let task = try JSONDecoder().decode(ChildTask.self, from: data)
        CheapClock.inherit(task.clock)
        let place = EnginePlace(
            kind: task.engine, path: task.directory, profile: task.plan.profile,
            store: task.plan.store,
            isFresh: task.phase == .load || task.phase == .loadAndWork)
        let result = URL(fileURLWithPath: result)
        try place.perform(
            KVSession(task: task, keys: try KeyCodec(sizes: task.plan.keySize)) {
                try JSONEncoder().encode($0).write(to: result)
            })
    }
}
