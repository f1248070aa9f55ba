import Glibc
import PmemKV

/// A `pmemkv shell` child, driven over two pipes: one command line, then one reply line.
final class ShellProcess {
    private let input: UnsafeMutablePointer<FILE>
    private let output: UnsafeMutablePointer<FILE>

    init(pool: String, syscalls: Bool) throws {
        var toChild: [Int32] = [0, 0]
        var fromChild: [Int32] = [0, 0]
        try expect(pipe(&toChild) == 0 && pipe(&fromChild) == 0, "pipe failed")
        let child = spawn(
            ["/bin/pmemkv", "shell", pool] + (syscalls ? ["--io", "syscalls"] : []),
            input: toChild[0], output: fromChild[1], unused: [toChild[1], fromChild[0]])
        try expect(child > 0, "the shell did not start")
        close(toChild[0])
        close(fromChild[1])
        input = fdopen(toChild[1], "w")
        output = fdopen(fromChild[0], "r")
    }

    func perform(_ operation: Operation) throws {
        let several = operation.changes.count > 1
        if several { try command("multi", expecting: nil) }
        for change in operation.changes {
            switch change {
            case .put(let key, let value):
                try command("put \(key) \(quote(value))", expecting: several ? nil : "OK")
            case .remove(let key):
                try command("del \(key)", expecting: nil)
            }
        }
        if several { try command("exec", expecting: nil) }
    }

    /// Sends a line and reads its reply; an error reply, or none, ends the test.
    private func command(_ line: String, expecting reply: String?) throws {
        fputs(line + "\n", input)
        fflush(input)
        var buffer: UnsafeMutablePointer<CChar>?
        var capacity = 0
        let length = getline(&buffer, &capacity, output)
        defer { free(buffer) }
        guard length > 0, let buffer else { throw Mismatch("the shell ended") }
        let answer = String(cString: buffer).split(separator: "\n").first.map(String.init) ?? ""
        try expect(!answer.hasPrefix("(error)"), "\(line.prefix(40)): \(answer)")
        if let reply { try expect(answer == reply, "\(line.prefix(40)): \(answer)") }
    }
}

private func quote(_ value: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = [34]
    text.reserveCapacity(value.count * 4 + 2)
    for byte in value {
        text += [92, 120, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    text.append(34)
    return String(decoding: text, as: UTF8.self)
}

/// Runs a program to its end; its output is not kept. Returns its wait status.
func runProgram(_ words: [String]) -> Int32 {
    let null = open("/dev/null", O_RDWR)
    defer { close(null) }
    let child = spawn(words, input: null, output: null, unused: [])
    guard child > 0 else { return -1 }
    var status: Int32 = 0
    waitpid(child, &status, 0)
    return status
}

/// Starts a program with the given standard input and output; returns its process id or -1.
private func spawn(
    _ words: [String], input: Int32, output: Int32, unused: [Int32]
) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    for descriptor in unused + [input, output] where descriptor > 2 {
        posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    var arguments = words.map { strdup($0) } + [nil]
    var child = pid_t()
    let result = posix_spawn(&child, words[0], &actions, nil, &arguments, environ)
    for argument in arguments { free(argument) }
    posix_spawn_file_actions_destroy(&actions)
    return result == 0 ? child : -1
}
