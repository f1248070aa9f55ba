import Glibc
import PmemPlaces
import SystemPackage

/// The file or device of a pool that is being made.
///
/// Invariants:
/// - A file has its name from ``publish()`` on, when it is complete, and what it replaces is there
///   and locked until then.
/// - A device has one place: nothing of it has been changed when this is made.
struct NewPoolFile {
    /// What becomes of a file that is there already.
    enum Overwriting {
        case refused
        /// It is given up for the new one, which takes over its attributes.
        case allowed
        /// It is given up, and the caller has it locked.
        case held
    }

    let file: PoolFile
    private let unfinished: UnfinishedFile?
    /// What is replaced.
    private let old: PoolFile?

    /// Takes a devdax device, or makes a file with all its blocks allocated.
    ///
    /// - Parameters:
    ///   - size: bytes, when they were asked for; a device takes none.
    ///   - usualSize: bytes of a file otherwise.
    ///   - attributes: owner and mode of the new file, unless it takes over those of one that is
    ///     there; nil for those of any new file.
    init(
        at place: PoolPath, size: Int?, usualSize: Int, overwriting: Overwriting,
        attributes: FileAttributes?, calls: any PoolCalls
    ) throws(StoreError) {
        let facts = place.inspect()
        if let refusal = facts.refusal {
            throw PoolFile.error(refusal, facts, creating: true)
        }
        if facts.kind == .devdax {
            if size != nil {
                throw StoreError(
                    .invalidArgument,
                    "\(place.shown) is a devdax device: a pool takes all of it, no size")
            }
            file = try PoolFile.open(place, readOnly: false, calls: calls)
            unfinished = nil
            old = nil
            return
        }
        let isThere = facts.kind != .missing
        if !isThere { try Self.refuseNames(place) }
        old = isThere ? try Self.takeOver(place, overwriting) : nil
        let new = try UnfinishedFile(
            at: isThere ? place.resolved : place.path, shown: place.shown, replaces: isThere,
            attributes: old.map(\.attributes) ?? attributes, calls: calls)
        file = try PoolFile(new, of: place, calls: calls)
        unfinished = new
        try new.allocate(size ?? usualSize)
    }

    /// Gives the new file its name. Its contents are durable.
    func publish() throws(StoreError) {
        try unfinished?.publish()
        old?.close()
    }

    /// What a path that leads to nothing must not be.
    private static func refuseNames(_ place: PoolPath) throws(StoreError) {
        if place.namesDirectory {
            throw StoreError(
                .cannotCreate,
                "\(place.shown) names a directory; name a file, without a slash at the end")
        }
        if let target = place.path.linkContent() {
            throw StoreError(
                .cannotCreate,
                telling: """
                    \(place.shown) is a symbolic link to \(target.shown), where nothing is: create \
                    the pool there, or remove the link
                    """, cause: .noSuchFileOrDirectory)
        }
    }

    /// Locks what is to be replaced, unless the caller has.
    private static func takeOver(
        _ place: PoolPath, _ overwriting: Overwriting
    ) throws(StoreError) -> PoolFile? {
        switch overwriting {
        case .refused:
            throw StoreError(
                .alreadyExists,
                telling: "\(place.shown) already exists; overwriting destroys what is in it",
                cause: .fileExists)
        case .held: return nil
        case .allowed:
            do throws(StoreError) {
                return try PoolFile.open(place, readOnly: false)
            } catch {
                // Who may not write it may not replace it either.
                guard error.code == .readOnly else { throw error }
                throw StoreError(.cannotCreate, error.message, cause: error.cause)
            }
        }
    }
}
