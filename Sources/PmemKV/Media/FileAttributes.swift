import Glibc
import SystemPackage

/// Who owns a file, and who may do what with it.
struct FileAttributes {
    let owner: uid_t
    let group: gid_t
    /// The permission bits.
    let mode: mode_t

    /// Those of an open file; nil when the system does not tell.
    init?(of file: FileDescriptor) {
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { return nil }
        owner = status.st_uid
        group = status.st_gid
        mode = status.st_mode & 0o777
    }

    /// Gives a new file that nobody else can open yet these attributes, or fewer rights: a group
    /// that cannot be kept must not leave its rights to another one.
    ///
    /// - Throws: the reason when owner or group have to be kept and cannot.
    func give(to file: FileDescriptor, mustKeepOwner: Bool) throws(Errno) {
        var mode = mode
        if fchown(file.rawValue, owner, group) != 0 {
            if mustKeepOwner { throw Errno.current }
            if fchown(file.rawValue, uid_t.max, group) != 0 {
                let others = mode & 0o007
                mode = mode & 0o707 | mode & others << 3
            }
        }
        if fchmod(file.rawValue, mode) != 0 { throw Errno.current }
    }
}
