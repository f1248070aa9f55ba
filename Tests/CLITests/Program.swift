// Runs the built command as a process, as a user would.
//
// Everything goes through posix_spawn and plain files, so that no output can block a test and a
// signal that ended the program is seen as such.

import Glibc
import PmemKVText
import Synchronization
import Testing

/// How a program ended and what it printed.
struct Outcome: CustomStringConvertible {
    /// The exit status; nil when a signal ended it.
    let status: Int32?
    let signal: Int32?
    let output: [UInt8]
    let diagnostics: String

    var text: String { String(decoding: output, as: UTF8.self) }

    /// The records of the dump that it printed.
    func records() throws -> [[UInt8]: [UInt8]] {
        var parser = DumpParser()
        var records: [[UInt8]: [UInt8]] = [:]
        for line in output.split(separator: 10, omittingEmptySubsequences: true) {
            if try parser.parse(line) == .record { records[parser.key] = parser.value }
        }
        try parser.finish()
        return records
    }

    var description: String {
        let end = status.map { "status \($0)" } ?? "signal \(signal ?? 0)"
        return "\(end), output: \(text.prefix(300)), diagnostics: \(diagnostics.prefix(600))"
    }
}

enum Program {
    /// The command, beside the test bundle.
    static let pmemkv: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let path = String(
            decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let directory = path.split(separator: "/").dropLast().joined(separator: "/")
        return "/" + directory + "/pmemkv"
    }()

    /// Runs `pmemkv` with arguments; `input` is its standard input, which is a file.
    static func run(
        _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
    ) -> Outcome {
        outcome([pmemkv] + arguments, input: input, environment: environment)
    }

    static func run(_ arguments: String..., input: [UInt8] = []) -> Outcome {
        outcome([pmemkv] + arguments, input: input, environment: [:])
    }

    /// Runs a line of shell, in which `pmemkv` is the command.
    static func shell(_ line: String) -> Outcome {
        outcome(
            ["/bin/sh", "-c", "pmemkv() { '\(pmemkv)' \"$@\"; }; \(line)"], input: [],
            environment: [:])
    }

    /// Runs any program by its path.
    static func run(
        program arguments: [String], input: [UInt8] = []
    ) -> Outcome {
        outcome(arguments, input: input, environment: [:])
    }

    private static func outcome(
        _ arguments: [String], input: [UInt8], environment: [String: String]
    ) -> Outcome {
        let standard = [anonymousFile(input), anonymousFile([]), anonymousFile([])]
        defer { standard.forEach { close($0) } }
        let process = spawn(arguments, standard: standard, environment: environment)
        let (status, signal) = wait(process)
        return Outcome(
            status: status, signal: signal, output: contents(standard[1]),
            diagnostics: String(decoding: contents(standard[2]), as: UTF8.self))
    }

    /// Starts a program with these descriptors as its standard ones.
    static func spawn(
        _ arguments: [String], standard: [Int32], environment: [String: String] = [:]
    ) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, descriptor) in standard.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
        }
        var arguments = arguments.map { strdup($0) } + [nil]
        var variables = variables(environment).map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        // A thread of the test may block signals, which a program would inherit.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let error = starting.withLock { _ in
            posix_spawn(&process, arguments[0]!, &actions, &attributes, &arguments, &variables)
        }
        precondition(error == 0, "cannot start the program: error \(error)")
        return process
    }

    static func wait(_ process: pid_t) -> (status: Int32?, signal: Int32?) {
        var word: Int32 = 0
        while waitpid(process, &word, 0) < 0 && errno == EINTR {}
        return word & 0x7F == 0 ? (word >> 8 & 0xFF, nil) : (nil, word & 0x7F)
    }

    /// This process's environment without what changes the program under test, and additions.
    private static func variables(_ additions: [String: String]) -> [String] {
        var result: [String] = []
        var next = environ
        while let variable = next.pointee {
            let text = String(cString: variable)
            if !text.hasPrefix("PMEM") { result.append(text) }
            next += 1
        }
        return result + additions.map { "\($0.key)=\($0.value)" }
    }

    /// Held while descriptors are made and while a process starts: no process may inherit the
    /// descriptors of another one's test before they are marked.
    private static let starting = Mutex(())

    /// A pipe that no process started here inherits.
    static func makePipe() -> (reading: Int32, writing: Int32) {
        starting.withLock { _ in
            var ends: [Int32] = [0, 0]
            precondition(pipe(&ends) == 0, "pipe failed")
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return (ends[0], ends[1])
        }
    }

    private static func anonymousFile(_ bytes: [UInt8]) -> Int32 {
        let descriptor = starting.withLock { _ in
            var template = Array("/tmp/pmemkv-test.XXXXXX".utf8CString)
            let descriptor = mkstemp(&template)
            precondition(descriptor >= 0, "cannot make a file in /tmp")
            unlink(template)
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            return descriptor
        }
        var done = 0
        while done < bytes.count {
            done += bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress! + done, $0.count - done)
            }
        }
        lseek(descriptor, 0, SEEK_SET)
        return descriptor
    }

    private static func contents(_ descriptor: Int32) -> [UInt8] {
        let size = Int(lseek(descriptor, 0, SEEK_END))
        var bytes = [UInt8](repeating: 0, count: size)
        let count = pread(descriptor, &bytes, size, 0)
        precondition(count == size, "cannot read the program's output")
        return bytes
    }
}

/// A directory that is gone at the end of a test.
final class Scratch {
    let path: String

    /// In memory when that is possible: what is tested here is not the disk.
    init(inMemory: Bool = true) {
        let parent = inMemory && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(parent)/pmemkv-test.XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "cannot make a directory in \(parent)")
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { _ = Program.run(program: ["/bin/rm", "-rf", path]) }

    func file(_ name: String) -> String { path + "/" + name }

    /// A new pool; its records are given as key and value.
    func pool(
        _ name: String = "pool", size: String = "1MiB", _ records: [(String, String)] = []
    ) -> String {
        let pool = file(name)
        let created = Program.run("create", pool, "--size", size)
        #expect(created.status == 0, "\(created)")
        for (key, value) in records {
            let put = Program.run("put", pool, "--", key, value)
            #expect(put.status == 0, "\(put)")
        }
        return pool
    }
}

/// Whole files as bytes.
enum Bytes {
    static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        precondition(descriptor >= 0, "cannot open \(path)")
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        let count = pread(descriptor, &bytes, bytes.count, 0)
        precondition(count == bytes.count, "cannot read \(path)")
        return bytes
    }

    static func write(_ bytes: [UInt8], to path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        precondition(descriptor >= 0, "cannot create \(path)")
        defer { close(descriptor) }
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        precondition(count == bytes.count, "cannot write \(path)")
    }
}
