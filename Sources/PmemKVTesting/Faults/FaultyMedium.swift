import CPmem
import PmemKV
import SystemPackage

/// What goes wrong on a medium, and when.
package struct FaultPlan: Sendable {
    package enum Kind: Sendable, CaseIterable {
        /// msync or fdatasync fails.
        case drainFails
        /// Nothing of a write arrives (ENOSPC, EIO).
        case writeFails
        /// The first half of a write arrives (a short write, then an error).
        case shortWrite
    }

    package var kind: Kind
    /// The number of the call, from 0, counted over calls of that kind.
    package var call: Int
    package var cause: Errno

    package init(_ kind: Kind, call: Int, cause: Errno) {
        self.kind = kind
        self.call = call
        self.cause = cause
    }
}

/// A medium that fails as planned and keeps the rules of ``PersistentMedium``: a failed write is
/// reported by the next drain, and every drain after a failure fails.
package final class FaultyMedium: PersistentMedium, @unchecked Sendable {
    private let base: ScratchMedium
    private let plan: FaultPlan?
    private var calls = 0
    private var failure: StoreError?
    package private(set) var hasFailed = false
    /// Lines that cannot be read: they read as zeroes and count as faults, as the SIGBUS guard
    /// has it.
    package private(set) var faultCount = 0

    package init(_ base: ScratchMedium, plan: FaultPlan?) {
        self.base = base
        self.plan = plan
    }

    /// Tells the engine of a media fault.
    package func noteFault() {
        faultCount += 1
        cpmem_guard_count_fault()
    }

    package var size: Int { base.size }
    package var readBase: UnsafeRawPointer? { base.readBase }
    package var drainCoversAllThreads: Bool { true }
    package var writeFailure: StoreError? { failure }

    package func read(
        at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        try base.read(at: offset, into: buffer)
    }

    package func copy(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        guard failsNow(.writeFails) || failsNow(.shortWrite) else {
            if failure == nil || !hasFailed { base.copy(source, to: offset, site: site) }
            return
        }
        if plan?.kind == .shortWrite {
            let half = source.count / 16 * 8
            base.copy(UnsafeRawBufferPointer(rebasing: source[..<half]), to: offset, site: site)
        }
    }

    package func copyDeferred(_ source: UnsafeRawBufferPointer, to offset: Int, site: PersistSite) {
        copy(source, to: offset, site: site)
    }

    package func flush(at offset: Int, count: Int, site: PersistSite) {}

    package func store(_ word: UInt64, to offset: Int, site: PersistSite) {
        if failsNow(.writeFails) || failsNow(.shortWrite) { return }
        base.store(word, to: offset, site: site)
    }

    package func drain(site: PersistSite) throws(StoreError) {
        _ = failsNow(.drainFails)
        if let failure { throw failure }
    }

    package func prepare(at offset: Int, count: Int) {}
    package func close() {}

    private func failsNow(_ kind: FaultPlan.Kind) -> Bool {
        guard let plan, plan.kind == kind else { return false }
        defer { calls += 1 }
        guard calls == plan.call else { return false }
        hasFailed = true
        failure = StoreError(.io, "planned fault", cause: plan.cause)
        return true
    }
}
