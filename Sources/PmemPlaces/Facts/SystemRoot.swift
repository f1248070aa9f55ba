// The only door to /sys and /proc. Everything that explains a place (place facts, the doctor)
// reads through it, so that a test can point it at a made-up tree.
//
// Invariants: reading never throws and never changes anything. A file that is missing, unreadable
// or empty is nil. No answer leads outside the root: a link that resolves elsewhere is nil too.

import CPmem
import CZlib
import Glibc
import SystemPackage

/// A directory that stands for `/` when reading sysfs and procfs.
package struct SystemRoot: Sendable, Equatable {
    /// The prefix put before every path; empty for the real system.
    package let prefix: String

    /// The largest part of one file that is read.
    private static let readLimitBytes = 4 << 20

    /// - Parameter path: the directory to use in place of `/`.
    package init(_ path: String = "/") {
        let resolved = Self.resolve(path) ?? path
        var prefix = Substring(resolved)
        while prefix.hasSuffix("/") { prefix.removeLast() }
        self.prefix = String(prefix)
    }

    /// The real location of a path below the root.
    package func location(of path: String) -> String {
        path.hasPrefix("/") ? prefix + path : prefix + "/" + path
    }

    /// The content of a file, or nil when it cannot be read.
    package func bytes(_ path: String) -> [UInt8]? {
        do {
            let file = try FileDescriptor.openFile(FilePath(location(of: path)), O_RDONLY)
            return try file.closeAfter {
                var content: [UInt8] = []
                var chunk = [UInt8](repeating: 0, count: 16 << 10)
                while content.count < Self.readLimitBytes {
                    let count = try unsafe chunk.withUnsafeMutableBytes {
                        try unsafe file.read(into: $0)
                    }
                    if count == 0 { break }
                    content.append(contentsOf: chunk[..<count])
                }
                return content
            }
        } catch {
            return nil
        }
    }

    /// The text of a file compressed by gzip, or nil when it cannot be read or is damaged.
    package func uncompressedText(_ path: String) -> String? {
        guard let plain = try? FileDescriptor.openFile(FilePath(location(of: path)), O_RDONLY)
        else { return nil }
        guard let file = unsafe gzdopen(plain.rawValue, "rb") else {
            try? plain.close()
            return nil
        }
        defer { unsafe gzclose(file) }
        var content = [UInt8](repeating: 0, count: Self.readLimitBytes)
        let count = unsafe gzread(file, &content, UInt32(content.count))
        return count < 0 ? nil : String(decoding: content[..<Int(count)], as: UTF8.self)
    }

    /// The whole text of a file, or nil when it cannot be read.
    package func text(_ path: String) -> String? {
        bytes(path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The text of a one-line attribute without surrounding white space; nil when it is empty.
    package func value(_ path: String) -> String? {
        guard let text = text(path) else { return nil }
        let value = text.trimmingASCIISpace()
        return value.isEmpty ? nil : String(value)
    }

    /// A decimal attribute, or a hexadecimal one when it begins with 0x.
    package func integer(_ path: String) -> Int? {
        guard let value = value(path) else { return nil }
        return value.hasPrefix("0x") ? Int(value.dropFirst(2), radix: 16) : Int(value)
    }

    /// An attribute that is 0 or 1 (or, as some drivers write it, N or Y).
    package func flag(_ path: String) -> Bool? {
        switch value(path) {
        case "0", "N": false
        case "1", "Y": true
        default: nil
        }
    }

    /// Whether anything is there.
    package func exists(_ path: String) -> Bool {
        resolve(path) != nil
    }

    /// The names in a directory in alphabetical order; empty when it cannot be read.
    package func list(_ path: String) -> [String] {
        var buffer = [CChar](repeating: 0, count: 1 << 20)
        var used = 0
        let status = unsafe cpmem_place_list(location(of: path), &buffer, buffer.count, &used)
        guard status == 0 else { return [] }
        return buffer[..<used].split(separator: 0)
            .map { String(decoding: $0.map(UInt8.init(bitPattern:)), as: UTF8.self) }
            .sorted()
    }

    /// Follows links and returns the path as seen from the root; nil when it does not exist or
    /// lies outside.
    package func resolve(_ path: String) -> String? {
        guard let resolved = Self.resolve(location(of: path)) else { return nil }
        if resolved == prefix { return "/" }
        guard resolved.hasPrefix(prefix + "/") else { return nil }
        return String(resolved.dropFirst(prefix.count))
    }

    /// The mount a path lies on, when the kernel says so; of a made-up tree it knows nothing.
    func mountID(of path: String) -> Int? {
        prefix.isEmpty ? (try? PathStatus.of(path))?.mountID : nil
    }

    /// Whether two paths lead to directories that last changed at the same nanosecond, as an
    /// overlay and its upper directory do; nil for a made-up tree.
    func changedTogether(_ path: String, _ other: String) -> Bool? {
        guard prefix.isEmpty else { return nil }
        var (one, two) = (cpmem_place_stat(), cpmem_place_stat())
        guard unsafe cpmem_place_stat(path, &one) == 0, unsafe cpmem_place_stat(other, &two) == 0
        else { return false }
        return one.change_seconds == two.change_seconds
            && one.change_nanoseconds == two.change_nanoseconds
    }

    /// The last component of what a link leads to: a driver's or subsystem's name.
    package func linkName(_ path: String) -> String? {
        resolve(path)?.lastPathComponent
    }

    /// Follows links in a path that is not taken from the root.
    static func resolve(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 8192)
        guard unsafe cpmem_place_resolve(path, &buffer, buffer.count) == 0 else { return nil }
        let bytes = buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension StringProtocol {
    /// The text without leading and trailing blanks, tabs and line ends.
    func trimmingASCIISpace() -> SubSequence {
        let isSpace = { (byte: Character) in byte == " " || byte == "\n" || byte == "\t" }
        let start = firstIndex { !isSpace($0) } ?? endIndex
        var end = endIndex
        while end > start, isSpace(self[index(before: end)]) { end = index(before: end) }
        return self[start..<end]
    }

    /// What follows the last slash.
    var lastPathComponent: String {
        String(self[(lastIndex(of: "/").map { index(after: $0) } ?? startIndex)...])
    }

    /// The number after a fixed prefix, as in `region12`; nil when the name has another form.
    func number(after prefix: String) -> Int? {
        guard hasPrefix(prefix) else { return nil }
        let digits = dropFirst(prefix.count)
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(digits)
    }

    /// Whether this is a name like `dax0.1`: a prefix and two numbers.
    func isNumberedPair(after prefix: String) -> Bool {
        guard hasPrefix(prefix) else { return false }
        let parts = dropFirst(prefix.count).split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isASCII && $0.isNumber } }
    }
}
