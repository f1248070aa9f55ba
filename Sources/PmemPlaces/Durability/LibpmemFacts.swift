// What libpmem does in this process: its variables, and its word on the platform.
//
// Whether caches survive a power loss (eADR) is libpmem's to say, for the store, the doctor and the
// benchmarks alike: it is libpmem that then leaves out flushes, so a second opinion could only
// disagree with what is done. It asks sysfs whether every region of the machine says `cpu_cache`.
//
// The other variables of libpmem(7) choose between instructions that do the same
// (PMEM_NO_CLWB, PMEM_NO_CLFLUSHOPT, PMEM_NO_MOVNT, PMEM_MOVNT_THRESHOLD) or the address of a
// mapping (PMEM_MMAP_HINT); none of them changes what is durable.

import CLibPmem
import CPmem
import Glibc

/// What libpmem does in this process, whatever it is used on.
public struct LibpmemFacts: Sendable, Equatable {
    /// Whether the platform keeps its caches through a power loss (eADR).
    public var hasAutoFlush: Bool
    /// The variables that change what is durable, as libpmem reads them, when they are set.
    package var environment: [String: String]

    package static let forceVariable = "PMEM_IS_PMEM_FORCE"
    package static let flushVariable = "PMEM_NO_FLUSH"

    package init(hasAutoFlush: Bool, environment: [String: String] = [:]) {
        self.hasAutoFlush = hasAutoFlush
        self.environment = environment
    }

    /// Asks libpmem and the environment.
    public static func current() -> LibpmemFacts {
        var facts = LibpmemFacts(hasAutoFlush: pmem_has_auto_flush() == 1)
        // libpmem looks at the first at its first mapping, at the second only when it is loaded.
        unsafe facts.environment[forceVariable] = text(getenv(forceVariable))
        unsafe facts.environment[flushVariable] = text(cpmem_no_flush_at_load())
        return facts
    }

    private static func text(_ value: UnsafePointer<CChar>?) -> String? {
        unsafe value.map { unsafe String(cString: $0) }
    }

    /// What libpmem says of every mapping without looking; nil when it looks.
    package var forcedAnswer: Bool? {
        guard let text = environment[Self.forceVariable] else { return nil }
        // As libpmem reads it: a word is 0, and of `1x` the 1 counts.
        switch unsafe atoi(text) {
        case 0: return false
        case 1: return true
        default: return nil
        }
    }

    /// Whether PMEM_IS_PMEM_FORCE makes libpmem take every mapping for persistent memory.
    public var isForced: Bool { forcedAnswer == true }

    /// What libpmem says, or would say, of a mapping that it made.
    public func isPmem(acceptingMapSync: Bool) -> Bool { forcedAnswer ?? acceptingMapSync }

    /// Whether PMEM_NO_FLUSH=1 makes libpmem leave out cache flushes.
    package var isUnflushed: Bool { environment[Self.flushVariable] == "1" }

    /// Whether libpmem's copies and flushes write caches back: PMEM_NO_FLUSH=0 makes them do so
    /// even with eADR.
    package var flushesCaches: Bool {
        !isUnflushed && (!hasAutoFlush || environment[Self.flushVariable] == "0")
    }
}
