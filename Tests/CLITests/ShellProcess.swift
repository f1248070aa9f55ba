import Glibc

/// A `pmemkv shell`, or another program that prints lines, on two pipes, asked one line at a time.
final class ShellProcess {
    let process: pid_t
    private let input: Int32
    private let output: Int32
    private var buffer: [UInt8] = []
    private var hasEnded = false

    convenience init(
        _ pool: String, _ options: [String] = [], environment: [String: String] = [:]
    ) {
        self.init(
            command: [Program.pmemkv, "shell", pool] + options, environment: environment)
    }

    init(command: [String], environment: [String: String]) {
        let toShell = Program.makePipe()
        let fromShell = Program.makePipe()
        signal(SIGPIPE, SIG_IGN)
        process = Program.spawn(
            command, standard: [toShell.reading, fromShell.writing, 2],
            environment: environment)
        close(toShell.reading)
        close(fromShell.writing)
        input = toShell.writing
        output = fromShell.reading
    }

    deinit {
        if !hasEnded { kill() }
        close(output)
    }

    /// Sends text; false when the shell is gone.
    @discardableResult
    func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(input, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0 && errno != EINTR { return false }
            done += max(0, count)
        }
        return true
    }

    /// The next line of reply; nil when the shell has ended.
    func reply() -> String? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                defer { buffer.removeSubrange(...end) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            var piece = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(output, &piece, piece.count)
            if count == 0 { return nil }
            if count > 0 { buffer += piece.prefix(count) }
        }
    }

    func ask(_ line: String) -> String? {
        send(line + "\n")
        return reply()
    }

    /// Lets the shell come to its end, and gives its exit status.
    func end() -> Int32? {
        close(input)
        hasEnded = true
        return Program.wait(process).status
    }

    /// Ends the shell at once, as a crash would.
    func kill() {
        Glibc.kill(process, SIGKILL)
        _ = end()
    }

    /// Sends SIGKILL and nothing more: replies that are on their way can still be read.
    func sendKill() { Glibc.kill(process, SIGKILL) }
}
