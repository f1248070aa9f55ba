/// The text form that Berkeley DB's db_dump and LMDB's mdb_dump share.
///
///     VERSION=3
///     format=bytevalue        or print
///     database=NAME           one of several, each of which has such a header
///     type=btree
///     mapsize=1048576         what mdb_load needs to know, ignored by load
///     HEADER=END
///      6b6579                 a blank, then a key
///      76616c7565             a blank, then its value
///     DATA=END
package enum DumpFormat: String, Sendable, CaseIterable {
    /// Two hexadecimal digits a byte.
    case bytevalue
    /// Printable ASCII as it is, other bytes as a backslash and two hexadecimal digits.
    case print

    static let begin = [UInt8]("VERSION=".utf8)
    static let headerEnd = [UInt8]("HEADER=END".utf8)
    static let dataEnd = [UInt8]("DATA=END".utf8)

    /// A map size that mdb_load finds large enough for this many keys and bytes.
    ///
    /// LMDB splits pages in the middle and gives a value longer than about 2 KB pages of its
    /// own, so that data may take nearly four times its size; the file only grows as it is used.
    package static func mapSize(keys: Int, bytes: Int) -> Int {
        let needed = (16 << 20) + 4 * bytes + 64 * keys
        return ((needed >> 20) + 1) << 20
    }
}
