import Glibc

/// A clock that nobody sets.
enum MonotonicClock {
    static var seconds: Double { Double(nanoseconds) / 1e9 }

    static var nanoseconds: UInt64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
