// One line of /proc/self/mountinfo, and finding the line a path belongs to.

/// A mount as /proc/self/mountinfo describes it (proc(5)).
package struct MountEntry: Sendable, Equatable {
    package var id: Int
    package var device: String
    package var mountPoint: String
    /// The directory of the file system that is mounted there: `/`, or another for a bind mount.
    package var directory: String
    package var fileSystem: String
    /// What is mounted: `/dev/pmem0`, `tmpfs`, `host:/export`.
    package var source: String
    /// Options of the mount and of the file system behind it.
    package var options: [String]

    /// Parses a line; nil when it does not have the documented form.
    package init?(line: Substring) {
        let fields = line.split(separator: " ").map(String.init)
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count >= dash + 3,
            let id = Int(fields[0])
        else { return nil }
        self.id = id
        device = fields[2]
        directory = Self.unescape(fields[3])
        mountPoint = Self.unescape(fields[4])
        fileSystem = fields[dash + 1]
        source = Self.unescape(fields[dash + 2])
        let superOptions = fields.count > dash + 3 ? fields[dash + 3] : ""
        options = (fields[5] + "," + superOptions).split(separator: ",").map(String.init)
    }

    /// What follows `name=` among the options.
    package func option(_ name: String) -> String? {
        options.first { $0.hasPrefix(name + "=") }
            .map { Self.unescape(String($0.dropFirst(name.count + 1))) }
    }

    /// The DAX mount option: `always`, `inode` or `never`; nil when none is given, which means
    /// `inode` on file systems that can do DAX.
    package var daxOption: String? {
        options.contains("dax") ? "always" : option("dax")
    }

    /// All mounts that can be seen, in the order they were made.
    package static func all(_ root: SystemRoot) -> [MountEntry] {
        (root.text("/proc/self/mountinfo") ?? "").split(separator: "\n")
            .compactMap(MountEntry.init(line:))
    }

    /// The mount a path lies on: by identifier when the kernel gave one, else the last of the
    /// deepest mount points above the path (later mounts cover earlier ones).
    package static func find(
        path: String, mountID: Int?, root: SystemRoot
    ) -> MountEntry? {
        let entries = all(root)
        if let mountID, let entry = entries.first(where: { $0.id == mountID }) { return entry }
        return entries.filter { $0.covers(path) }
            .reduce(nil as MountEntry?) { best, entry in
                guard let best else { return entry }
                return entry.mountPoint.count >= best.mountPoint.count ? entry : best
            }
    }

    private func covers(_ path: String) -> Bool {
        mountPoint == "/" || path == mountPoint || path.hasPrefix(mountPoint + "/")
    }

    /// Undoes the octal escapes of blanks, tabs, line ends and backslashes.
    private static func unescape(_ field: String) -> String {
        guard field.contains("\\") else { return field }
        let bytes = Array(field.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count,
                let code = UInt8(
                    String(decoding: bytes[(index + 1)...(index + 3)], as: UTF8.self),
                    radix: 8)
            {
                result.append(code)
                index += 4
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
