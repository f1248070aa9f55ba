import PmemKV

/// Opens pools made from arbitrary bytes and uses them. Nothing it meets may trap or hang; a
/// wrong value cannot be told here, since checksums may have been made to fit.
///
/// The first byte of an input chooses a sample pool or zeroes, whether checksums are put right, how
/// the pool is opened, and whether the rest is edits of ten bytes (two of place, eight of content)
/// or the pool's own bytes.
package final class ImageFuzzer {
    private let samples: [SamplePool]
    private let image: PoolImage

    package init() {
        do throws(StoreError) {
            samples = try SamplePool.all()
        } catch {
            fatalError("sample pools: \(error)")
        }
        image = PoolImage(size: samples[0].image.size)
    }

    package func run(_ input: UnsafeRawBufferPointer) {
        guard let first = input.first else { return }
        let sample = samples[Int(first & 3 | first >> 3 & 4) % samples.count]
        if first & 3 == 3 { image.clear() } else { image.copy(from: sample.image) }
        let rest = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        if first & 4 != 0 {
            image.bytes.copyMemory(
                from: rest.baseAddress ?? image.view, byteCount: min(rest.count, image.size))
        } else {
            edit(rest)
        }
        if first & 8 != 0 { ImageRepair.repair(image, shape: sample.shape) }
        use(sample.shape, readOnly: first & 16 != 0)
    }

    private func edit(_ edits: UnsafeRawBufferPointer) {
        for start in stride(from: 0, to: edits.count - 9, by: 10) {
            let place = Int(edits.loadUnaligned(fromByteOffset: start, as: UInt16.self))
            // Half of the places lie in superblocks and table, where most is decided.
            let offset = place & 1 == 0 ? place % (8192 + 512) : place % (image.size - 8)
            let value = edits.loadUnaligned(fromByteOffset: start + 2, as: UInt64.self)
            image.bytes.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
        }
    }

    private func use(_ shape: PoolShape, readOnly: Bool) {
        var options = shape.options
        options.readOnly = readOnly
        do throws(StoreError) {
            let store = try PmemStore.open(on: ScratchMedium(image), options: options)
            defer { store.abandon() }
            let keys = ScriptKeys(shape)
            for number in 0..<shape.keys { _ = try? keys.get(number, of: store) }
            try? store.scan { _, _ in true }
            _ = store.statistics
            guard !readOnly else { return }
            for number in 0..<shape.keys {
                try? keys.put([1, 2, 3], number, in: store)
                _ = try? keys.remove(number / 2, of: store)
            }
            try? keys.empty(tableOf: 1, drops: true, in: store)
            try? keys.put([4], 1, in: store)
            try? store.clear()
            try? store.compact()
            try store.close()
        } catch {
            return
        }
    }
}
