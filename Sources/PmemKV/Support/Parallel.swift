import CPmem
import Dispatch

/// Runs body for each number below count, on up to `threads` threads at once, and returns the
/// results in order, or throws the error of the lowest number that failed.
func inParallel<R>(
    _ count: Int, threads: Int, _ body: @escaping @Sendable (Int) throws(StoreError) -> R
) throws(StoreError) -> [R] {
    let slots = ResultSlots<R>(count: count)
    let workers = max(1, min(threads, count))
    if workers == 1 {
        for number in 0..<count { slots.run(number, body) }
    } else {
        DispatchQueue.concurrentPerform(iterations: workers) { _ in
            while let number = slots.next() { slots.run(number, body) }
        }
    }
    return try slots.results()
}

/// A place for each result. Each is written by one thread, and read when all threads are done.
private final class ResultSlots<R>: @unchecked Sendable {
    private let nextNumber = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
    private let slots: UnsafeMutablePointer<Result<R, StoreError>?>
    private let count: Int

    init(count: Int) {
        self.count = count
        nextNumber.storeBytes(of: 0, as: UInt64.self)
        slots = .allocate(capacity: max(1, count))
        slots.initialize(repeating: nil, count: count)
    }

    deinit {
        slots.deinitialize(count: count)
        slots.deallocate()
        nextNumber.deallocate()
    }

    /// Hands each number out once.
    func next() -> Int? {
        let number = Int(cpmem_fetch_add(nextNumber, 1))
        return number < count ? number : nil
    }

    func run(_ number: Int, _ body: (Int) throws(StoreError) -> R) {
        do throws(StoreError) {
            slots[number] = .success(try body(number))
        } catch {
            slots[number] = .failure(error)
        }
    }

    func results() throws(StoreError) -> [R] {
        var results: [R] = []
        results.reserveCapacity(count)
        for number in 0..<count {
            guard let result = slots[number] else { preconditionFailure("a number was left out") }
            results.append(try result.get())
        }
        return results
    }
}
