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
        try check(at: PoolPath(path), options: options)
    }

    /// The same for a path that need not be text.
    public static func check(
        at path: FilePath, options: OpenOptions = OpenOptions()
    ) throws(StoreError) -> CheckReport {
        try check(at: PoolPath(path), options: options)
    }

    package static func check(
        at place: PoolPath, options: OpenOptions
    ) throws(StoreError) -> CheckReport {
        let medium = try openForSurvey(place, options)
        defer { medium.close() }
        return try CheckReport(checking: medium, path: place.shown)
    }

    package static func check(
        _ medium: any PersistentMedium, path: String
    ) throws(StoreError) -> CheckReport {
        try CheckReport(checking: Medium(medium), path: path)
    }

    static func openForSurvey(
        _ place: PoolPath, _ options: OpenOptions
    ) throws(StoreError) -> Medium {
        let file = try PoolFile.open(place, readOnly: true)
        // What is required is required of a store there, not of the way it is read here.
        try MediumOpening.refuse(place, io: options.io, without: options.requirement)
        let io: IOPath = options.io == .automatic && !file.isDevdax ? .syscalls : options.io
        return try MediumOpening.open(file, io: io).0
    }
}
