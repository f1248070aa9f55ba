import Glibc
import PmemPlaces

/// Who has a file locked, as the kernel tells it in /proc/locks.
///
/// A help for people, no more: a holder may end, and another come, at any moment; in another
/// process name space or on a file system with device numbers of its own nobody is named.
enum LockHolders {
    /// The processes that hold a lock of flock(2) on an open file, in a few words; nil when none is
    /// known.
    static func description(of file: CInt, on device: PathStatus.Device) -> String? {
        var status = stat()
        guard unsafe fstat(file, &status) == 0, let table = SystemRoot().text("/proc/locks") else {
            return nil
        }
        let place = "\(hex(device.major)):\(hex(device.minor)):\(status.st_ino)"
        let processes = table.split(separator: "\n").compactMap { line -> pid_t? in
            // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF; "->" stands before one who waits.
            let words = line.split(separator: " ")
            guard words.count > 5, words[1] == "FLOCK", words[5] == place else { return nil }
            return pid_t(words[4])
        }
        let holders = Set(processes.filter { $0 > 0 }).sorted()
        guard !holders.isEmpty else { return nil }
        let named = holders.prefix(3).map(name)
        let more = holders.count > named.count ? ["\(holders.count - named.count) more"] : []
        return (named + more).joined(separator: ", ")
    }

    /// A part of a device number as /proc/locks writes it.
    private static func hex(_ number: UInt32) -> String {
        (number < 16 ? "0" : "") + String(number, radix: 16)
    }

    private static func name(_ process: pid_t) -> String {
        if process == getpid() { return "this process" }
        let command = SystemRoot().text("/proc/\(process)/comm")?.split(separator: "\n").first
        return "process \(process)" + (command.map { " (\($0))" } ?? "")
    }
}
