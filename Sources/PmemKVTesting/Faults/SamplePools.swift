import PmemKV

/// Pools with some of everything in them, for damage.
package struct SamplePool {
    package let shape: PoolShape
    package let image: PoolImage
    package let expected: [[UInt8]?]
    /// What was in it before the last step. Where the pool was not closed, nothing on the medium
    /// proves that the record of that had been durable.
    package let previous: [[UInt8]?]
    package let name: String
    package let isClosed: Bool

    /// Runs a script without looking at crash states, ends it as asked, and keeps the bytes.
    package init(
        _ name: String, shape: PoolShape, script text: String, closes: Bool
    ) throws(StoreError) {
        self.name = name
        self.shape = shape
        let keys = ScriptKeys(shape)
        var previous: [[UInt8]?] = []
        var expected: [[UInt8]?] = Array(repeating: nil, count: shape.keys)
        let image = PoolImage(size: shape.capacity)
        let growing = SimulatedMedium(
            size: shape.poolSize, capacity: shape.capacity, model: .direct)
        let scratch: any PersistentMedium =
            shape.mostSegments == nil ? ScratchMedium(image) : growing
        var store = try PmemStore.open(
            on: scratch, formatSegmentSize: shape.segmentSize, options: shape.options)
        for (number, step) in Script(shape, parsing: text).steps.enumerated() {
            previous = expected
            switch step.operation {
            case .put(let key, let length, _):
                let value = PoolShape.value(step: number, key: key, length: length)
                try keys.put(value, key, in: store)
                expected[key] = value
            case .remove(let key, _):
                _ = try keys.remove(key, of: store)
                expected[key] = nil
            case .empty(let key, let drops):
                try keys.empty(tableOf: key, drops: drops, in: store)
                for key in shape.keys(besides: key) { expected[key] = nil }
            case .batch(let entries, _):
                var batch = WriteBatch()
                for entry in entries {
                    let value = entry.length.map {
                        PoolShape.value(step: number, key: entry.key, length: $0)
                    }
                    expected[entry.key] = value
                    let table = shape.table(of: entry.key)
                    if let value {
                        batch.put(value, forKey: keys[entry.key], in: table)
                    } else {
                        batch.remove(keys[entry.key], in: table)
                    }
                }
                try store.apply(batch)
            case .compact: try store.compact()
            case .step: try store.makeCompactionStep()
            case .reopen:
                try store.close()
                store = try PmemStore.open(on: scratch, options: shape.options)
            case .kill:
                store.abandon()
                store = try PmemStore.open(on: scratch, options: shape.options)
            case .grow(let segments):
                try store.grow(
                    to: shape.size(segments: store.statistics.segments + segments))
            case .sync, .get, .snapshot, .endSnapshot: break
            }
        }
        if closes { try store.close() } else { store.abandon() }
        self.expected = expected
        self.previous = previous
        isClosed = closes
        if shape.mostSegments != nil { image.copy(from: growing.visible) }
        self.image = image
    }

    private static let history = """
        put 0 9
        put 1 100
        batch 2=7 3=64 4=1
        put 0 30
        del 1
        put 5 300
        put 3 65
        kill
        put 1 8
        put 4 200
        del 2
        put 0 55
        """

    /// Keys of three tables, one of which was dropped and made again, and two emptied.
    private static let historyOfTables = """
        put 0 9
        put 1 100
        batch 0=7 1=64 2=1
        put 4 30
        drop 1
        put 3 65
        clear 0
        put 1 8
        kill
        put 3 200
        put 2 20
        clear 2
        put 0 55
        """

    /// A cleanly closed pool with a checkpoint; one without; one that a crash left; the first and
    /// the last of these with tables.
    package static func all() throws(StoreError) -> [SamplePool] {
        var shape = PoolShape()
        shape.keys = 6
        shape.segments = 8
        var unchecked = shape
        unchecked.checkpointThreshold = 1000
        let last = "\nput 5 20\nput 5 21"
        return [
            try SamplePool(
                "closed, with a checkpoint", shape: shape, script: history, closes: true),
            try SamplePool("closed, without", shape: unchecked, script: history, closes: true),
            // A durable record behind every other one proves that the others were durable.
            try SamplePool(
                "crashed", shape: unchecked, script: history + last, closes: false),
            try SamplePool(
                "closed, with tables", shape: shape.withTables, script: historyOfTables,
                closes: true),
            try SamplePool(
                "crashed, with tables", shape: unchecked.withTables,
                script: historyOfTables + last, closes: false),
        ]
    }

    /// A pool of the same size that has grown to it, full enough that records are in what came.
    package static func grown() throws(StoreError) -> SamplePool {
        var shape = PoolShape()
        shape.keys = 6
        shape.segments = 4
        shape.mostSegments = 8
        shape.checkpointThreshold = 1000
        return try SamplePool(
            "grown", shape: shape,
            script: """
                put 0 200
                put 1 600
                grow 2
                put 2 700
                put 3 700
                grow 2
                put 4 500
                put 5 100
                """, closes: true)
    }
}

extension PoolShape {
    fileprivate var withTables: PoolShape {
        var shape = self
        shape.usesTables = true
        return shape
    }
}
