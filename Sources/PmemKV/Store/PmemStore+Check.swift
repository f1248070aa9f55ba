import Glibc
import SystemPackage

extension PmemStore {
    /// Reads every byte in use and reports all damage; changes nothing.
    ///
    /// Takes a shared lock. Files are read with read(2), where a media error is an error number
    /// and no signal; devdax through the guarded mapping.
    ///
    /// - Throws: what opening throws; damage is reported, not thrown, unless not even the
    ///   geometry of the pool is known.
    /// - Complexity: O(bytes in use).
    public static func check(
        at path: String, options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> CheckReport {
        let medium = try openForSurvey(path, options)
        defer { medium.close() }
        return try CheckReport(checking: medium, path: path)
    }

    package static func check(
        _ medium: any PersistentMedium, path: String
    ) throws(StoreError) -> CheckReport {
        try CheckReport(checking: Medium(medium), path: path)
    }

    /// Salvages every readable record of a damaged pool into a new, sound one.
    ///
    /// The old pool is only read (shared lock). With `replacing` the new pool takes its place at
    /// the end, by rename(2); otherwise it stays as it is.
    ///
    /// - Parameters:
    ///   - path: the damaged pool.
    ///   - destination: the new pool's file; it must not exist.
    ///   - size: bytes of the new pool; nil takes the old one's size.
    ///   - replacing: whether the new pool takes the old one's name.
    ///   - options: how the old pool is opened; what it requires of the medium holds for the new
    ///     pool's, too.
    /// - Throws: what opening throws but for damage, what creating the new pool throws, and
    ///   `outOfSpace` when it is too small.
    /// - Complexity: O(bytes in use) time, O(keys) memory.
    public static func repair(
        at path: String, to destination: String, size: Int? = nil, replacing: Bool = false,
        options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> RepairReport {
        let medium = try openForSurvey(path, options)
        defer { medium.close() }
        var salvage = try Salvage(medium, path: path)
        let keys = try createFilled(
            at: destination, size: size ?? salvage.geometry.poolSize,
            segmentSize: salvage.geometry.segmentSize, requirement: options.requirement
        ) { target throws(StoreError) in
            try salvage.forEachNewest { key, value throws(StoreError) in
                try target.put(key, value, relaxed: true)
            }
        }
        if replacing, unsafe rename(destination, path) != 0 {
            throw StoreError(
                .io, "the repaired pool is at \(destination), but cannot take the place of \(path)",
                cause: Errno(rawValue: errno))
        }
        return salvage.finished(keys: keys)
    }

    private static func openForSurvey(
        _ path: String, _ options: OpenOptions
    ) throws(StoreError) -> Medium {
        let file = try PoolFile.open(path, readOnly: true)
        // What is required is required of a store there, not of the way it is read here.
        try MediumOpening.refuse(path, io: options.io, without: options.requirement)
        let io: IOPath = options.io == .automatic && !file.isDevdax ? .syscalls : options.io
        return try MediumOpening.open(file, io: io).0
    }
}
