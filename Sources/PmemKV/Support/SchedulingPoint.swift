/// Moments between two steps of lock-free code at which another thread may do anything.
///
/// A build with PMEMKV_INTERLEAVINGS defined, which only scripts/crash makes, has the deterministic
/// scheduler of the tests decide there who goes on. In every other build there is nothing at all.
package enum SchedulingPoint {
    #if PMEMKV_INTERLEAVINGS
        /// Set before any store is open, so that reading it is no race.
        @safe nonisolated(unsafe) package static var hook: (@Sendable () -> Void)?
        package static let isCompiledIn = true

        @inline(__always)
        static func pass() { if let hook { hook() } }
    #else
        package static let isCompiledIn = false

        @inline(__always)
        static func pass() {}
    #endif
}
