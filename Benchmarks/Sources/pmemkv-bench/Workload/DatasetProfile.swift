/// How large the data set is, for engines that size something from it.
struct DatasetProfile: Sendable {
    let keys: Int
    let keySizes: SizeDistribution
    let valueSizes: SizeDistribution
    let threads: Int
    let processors: Int
    /// Puts the whole run will make for every key of the data set, the loading included.
    let writesPerKey: Double

    /// User bytes of the loaded data set.
    var userBytes: Int { Int(Double(keys) * (keySizes.mean + valueSizes.mean)) }

    /// A quarter of the data set, at least 64 MiB: the block cache LevelDB and RocksDB get on top
    /// of the page cache they share with everybody.
    var peerCacheBytes: Int { max(64 << 20, userBytes / 4) }

    /// Room for LMDB's half-full pages and its copy-on-write.
    var lmdbMapBytes: Int { roundUp(max(256 << 20, userBytes * 4)) }

    /// Entries with their headers, rounded to allocation classes, and the bucket array.
    var pmemobjPoolBytes: Int {
        roundUp(max(256 << 20, userBytes * 2 + keys * 128))
    }

    /// The store's log: live data once, half as much again for overwrites to be reclaimed from,
    /// and the inserts of YCSB D and E.
    var storePoolBytes: Int { roundUp(max(256 << 20, userBytes * 5 / 2 + keys * 96)) }

    /// One region per thread, written round and round.
    var floorPoolBytes: Int { roundUp(max(64 << 20, userBytes * 5 / 4 + keys * 24)) }

    /// The same, large enough not to wrap: its index must find every record. Workloads that go on
    /// for a set time may write more than that; records that are written over are then missed.
    var indexFloorPoolBytes: Int { roundUp(max(64 << 20, indexFloorBytes)) }

    /// What is written there at most, and the region of the thread that writes beside readers.
    var indexFloorBytes: Int {
        let written = (Double(userBytes) + Double(keys) * 16) * (writesPerKey + 0.3)
        return Int(written) / threads * (threads + 1) + threads << 22
    }

    private func roundUp(_ bytes: Int) -> Int { (bytes + (2 << 20) - 1) & ~((2 << 20) - 1) }
}
