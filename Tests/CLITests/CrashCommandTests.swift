// The crash suite as a program: what it is asked to run is what it runs.

import Testing

@Suite("Arguments of pmemkv-crash")
struct CrashCommandTests {
    /// A misspelt part ran nothing, printed zero failures, and ended with 0: whoever had the suite
    /// run one part took that for a pass. The same held for a replay with a misspelt name.
    @Test(
        "What names nothing to run is refused",
        arguments: [
            ["--only", "state"], ["--only", "states,"], ["--only", ""], ["--only"],
            ["--only", "fuzz"],
            ["--replay", "random"], ["--replay", "randum:7"], ["--replay", "parallel:x"],
        ])
    func unknown(arguments: [String]) {
        let outcome = Program.run(program: [Program.pmemkv + "-crash"] + arguments)
        #expect(outcome.status == 64, "\(outcome)")
        #expect(outcome.text.contains("usage: pmemkv-crash"), "\(outcome)")
    }
}
