/// How the bytes of a file or device are reached.
public enum IOPath: String, Sendable, CaseIterable {
    /// The mapping, with the strategy that the medium allows.
    case automatic = "auto"
    /// The mapping; as `automatic` today, but never anything else.
    case mapped
    /// read(2) and write(2) with fdatasync(2); not possible on devdax.
    case syscalls
}
