/// Pieces the engines share.

/// C callback that hands an entry to the `ScanSink` behind `context`.
func visitIntoSink(
    context: UnsafeMutableRawPointer?, key: UnsafeRawPointer?, keySize: Int,
    value: UnsafeRawPointer?, valueSize: Int
) {
    context.unsafelyUnwrapped.assumingMemoryBound(to: ScanSink.self).pointee
        .visit(key.unsafelyUnwrapped, keySize, value.unsafelyUnwrapped, valueSize)
}

/// Counts by walking over everything; for engines that keep no count.
func countByScanning<E: Engine>(_ engine: E) throws -> Int {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 64)
    defer { buffer.deallocate() }
    var worker = try engine.makeWorker(thread: 0)
    defer { worker.finish() }
    var sink = ScanSink(buffer: buffer)
    return try worker.scan(from: nil, limit: .max, into: &sink)
}
