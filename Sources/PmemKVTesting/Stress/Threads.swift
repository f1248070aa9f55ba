import Glibc

/// Runs bodies at the same time, each on a thread of its own.
enum Threads {
    static func run(_ bodies: [@Sendable () -> Void]) {
        var handles = [pthread_t](repeating: 0, count: bodies.count)
        for (number, body) in bodies.enumerated() {
            pthread_create(
                &handles[number], nil,
                { argument in
                    Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().body()
                    return nil
                }, Unmanaged.passRetained(Work(body)).toOpaque())
        }
        for handle in handles { pthread_join(handle, nil) }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
