import ArgumentParser
import CBench
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
        let session = KVSession(task: task, keys: try KeyCodec(sizes: task.plan.keySize))
        let outcome = try place.perform(session)
        try JSONEncoder().encode(outcome).write(to: URL(fileURLWithPath: result))
        // The crash that the next phase recovers from: nothing is closed.
        if task.phase == .load && task.plan.checksRecovery { kill(getpid(), SIGKILL) }
    }
}
