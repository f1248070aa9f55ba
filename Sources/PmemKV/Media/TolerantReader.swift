/// Reads ranges of which parts may be lost, block by block where a whole read fails.
struct TolerantReader {
    let medium: Medium

    /// Bytes that are given up together.
    static let block = 4096

    /// The bytes, zeroes where the medium gives none, and the offsets of such blocks.
    func read(at offset: Int, count: Int) -> (bytes: [UInt8], unreadable: [Int]) {
        var bytes = [UInt8](repeating: 0, count: count)
        var unreadable: [Int] = []
        unsafe bytes.withUnsafeMutableBytes { buffer in
            if unsafe tryRead(offset, buffer) { return }
            var start = 0
            while start < count {
                let end = min(
                    count, (offset + start) / Self.block * Self.block + Self.block - offset)
                let part = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[start..<end])
                if unsafe !tryRead(offset + start, part) {
                    unsafe part.initializeMemory(as: UInt8.self, repeating: 0)
                    unreadable.append(offset + start)
                }
                start = end
            }
        }
        return (bytes, unreadable)
    }

    /// A read counts only when the medium reported no fault meanwhile.
    private func tryRead(_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let faults = medium.faultCount
        do throws(StoreError) {
            unsafe try medium.read(at: offset, into: buffer)
        } catch {
            return false
        }
        return medium.faultCount == faults
    }
}
