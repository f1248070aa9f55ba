import CBench
import Foundation

/// What the process has used so far.
enum ProcessUsage {
    /// CPU time of all threads, in seconds: background threads of an engine are part of its cost.
    static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Anonymous memory now resident, in bytes. Files in a tmpfs are not part of it.
    static var anonymousBytes: Int { field("RssAnon:", of: "/proc/self/status") * 1024 }

    /// Bytes handed to write(2) and its relatives by all threads so far.
    static var bytesWritten: Int { field("wchar:", of: "/proc/self/io") }

    static var minorFaults: Int { bench_minor_faults() }

    private static func field(_ name: String, of path: String) -> Int {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return 0 }
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            let words = line.dropFirst(name.count).split { $0 == " " || $0 == "\t" }
            return words.first.flatMap { Int($0) } ?? 0
        }
        return 0
    }

    /// Bytes the files under `directory` occupy.
    static func allocatedBytes(under directory: String) -> Int {
        let entries = FileManager.default.enumerator(atPath: directory)
        var total = 0
        while let entry = entries?.nextObject() as? String {
            var facts = stat()
            if stat(directory + "/" + entry, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG {
                total += Int(facts.st_blocks) * 512
            }
        }
        return total
    }
}
