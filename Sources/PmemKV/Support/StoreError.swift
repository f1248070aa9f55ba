import SystemPackage

/// What went wrong, with enough words to act on it.
///
/// Every failing call of the library throws this one type. ``code`` is for programs, ``message``
/// names what was wrong and what to do about it, ``cause`` is the system's error number where
/// there was one.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. Open: later versions may add codes.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        /// There is no pool at this path.
        public static let notFound = Code(rawValue: "notFound")
        /// A pool or another file is already there.
        public static let alreadyExists = Code(rawValue: "alreadyExists")
        /// The pool could not be created.
        public static let cannotCreate = Code(rawValue: "cannotCreate")
        /// What is at this path is not a pool.
        public static let notAPool = Code(rawValue: "notAPool")
        /// The pool is damaged.
        public static let corrupt = Code(rawValue: "corrupt")
        /// The pool has a format version or feature this library does not know.
        public static let unsupportedVersion = Code(rawValue: "unsupportedVersion")
        /// The pool is a backup, or the result of a repair, that was never completed.
        public static let incomplete = Code(rawValue: "incomplete")
        /// Another process, or another store in this one, has the pool open.
        public static let locked = Code(rawValue: "locked")
        /// The pool has no room for this write; reads and deletes still work.
        public static let outOfSpace = Code(rawValue: "outOfSpace")
        /// The snapshot has ended: the pool would have been full because of what it kept.
        public static let snapshotTooOld = Code(rawValue: "snapshotTooOld")
        /// A backup has the room that this write needs, and holds writers back for a while.
        public static let heldBack = Code(rawValue: "heldBack")
        /// Others wrote what the transaction had read, each time that it was tried.
        public static let conflict = Code(rawValue: "conflict")
        /// The operating system reported an input/output error.
        public static let io = Code(rawValue: "io")
        /// The medium lost data under the mapping (poisoned line, truncated file).
        public static let media = Code(rawValue: "media")
        /// The store was opened read-only, or the file may not be written.
        public static let readOnly = Code(rawValue: "readOnly")
        /// A key, value or option is outside what the store accepts.
        public static let invalidArgument = Code(rawValue: "invalidArgument")
        /// The store has been closed, or belongs to the parent of a forked process.
        public static let closed = Code(rawValue: "closed")
        /// The call is not possible inside a callback of the same store.
        public static let insideCallback = Code(rawValue: "insideCallback")
        /// The medium does not give what was required of it.
        public static let refused = Code(rawValue: "refused")
        /// This way of access does not exist for this medium.
        public static let unsupported = Code(rawValue: "unsupported")
    }

    /// The kind of failure.
    public let code: Code
    /// One sentence or two for a person.
    public let message: String
    /// The system's error number, when a system call failed.
    public let cause: Errno?
    /// Whether the message says in its own words what the cause means: the system's words behind
    /// a remedy would only confuse.
    private let tellsCause: Bool

    /// Makes an error.
    public init(_ code: Code, _ message: String, cause: Errno? = nil) {
        self.init(code, message, cause, tellsCause: false)
    }

    /// An error whose message tells the cause.
    package init(_ code: Code, telling message: String, cause: Errno?) {
        self.init(code, message, cause, tellsCause: true)
    }

    private init(_ code: Code, _ message: String, _ cause: Errno?, tellsCause: Bool) {
        self.code = code
        self.message = message
        self.cause = cause
        self.tellsCause = tellsCause
    }

    /// The same error in other words.
    package func saying(_ message: String) -> StoreError {
        StoreError(code, message, cause, tellsCause: tellsCause)
    }

    /// The message, and what the system calls the cause when the message does not say it.
    public var description: String {
        guard let cause, !tellsCause else { return message }
        return "\(message): \(cause)"
    }
}
