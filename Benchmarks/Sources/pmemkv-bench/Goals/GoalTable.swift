/// The goals, all of them, and nothing else: what the store is held to. Who changes a number states
/// the measurement that made it necessary.
///
/// Ratios are of time, the store's over the reference's, unless the row says otherwise. Sources
/// speak of records of 16 + 200 bytes in memory that is flushed and fenced, one thread.
enum GoalTable {
    static let all: [Goal] =
        points + small + large + ordered + memory + opening + threads + sustained + disk

    static func goal(_ row: GoalRow) -> Goal { all.first { $0.row == row }! }

    private static let append = "append floor (a): key and value appended, one drain; no overlap"
    private static let ahead =
        "read floor (b): C loop over known places, prefetch, 4 checksums at once, copy; overlaps"
    private static let lookup =
        "lookup floor (c): C table, key check, checksum, copy; the next waits: no overlap"

    private static let points = [
        Goal(
            .put, "put of a new key", .atMost, 1.4, to: append,
            because: "append and table insertion took 281 ns beside 241; the rest is for "
                + "checksums, locks and growth"),
        Goal(
            .overwrite, "overwrite, pool with free space", .atMost, 2.2, to: append,
            because: "one dependent miss on the old record, 305 ns, beside an append of 241"),
        Goal(
            .get, "get, independent keys", .atMost, 1.6, to: ahead,
            because: "Viper with its index reserved: 187 to 338 ns beside 119 to 204 of C loops"),
        Goal(
            .getDependent, "get, the next key depends on the value", .atMost, 1.2, to: lookup,
            because: "the same two misses, bucket and record, and little else"),
        Goal(
            .miss, "get of an absent key", .atMost, 0.5, to: "a get that finds its key",
            because: "one miss instead of two; lookup floor (d), a C table, beside it"),
        Goal(
            .delete, "delete", .atMost, 1.0, to: "an overwrite",
            because: "the same misses and a shorter record"),
        Goal(
            .batch8, "a record of a batch of 8", .atMost, 0.5, to: "a single overwrite",
            because: "8 records for each fence: 56 ns beside 241"),
        Goal(
            .batch64, "a record of a batch of 64", .atMost, 0.35, to: "a single overwrite",
            because: "64 records for each fence: 39 ns beside 241"),
        Goal(
            .transaction, "transaction of 2 gets and 2 puts", .atMost, 1.3,
            to: "2 gets and a batch of 2",
            because: "what was read is looked up once more, and its keys are remembered"),
        Goal(
            .multiGet, "multi-get of 16, a key", .atMost, 1 / 1.5, to: "16 single gets",
            because: "a sketch with prefetch: 5.1 million keys a second beside 3.9"),
    ]

    private static let small = [
        Goal(
            .smallPut, "put, 8-byte keys and values", .atMost, 1.4, to: append,
            because: "the same ratio as for 16 + 200 bytes"),
        Goal(
            .smallOverwrite, "overwrite, 8 + 8 bytes", .atMost, 2.2, to: append,
            because: "the same ratio as for 16 + 200 bytes"),
        Goal(
            .smallGet, "get, independent, 8 + 8 bytes", .atMost, 1.6, to: ahead,
            because: "the same ratio as for 16 + 200 bytes"),
        Goal(
            .smallGetDependent, "get, dependent, 8 + 8 bytes", .atMost, 1.2, to: lookup,
            because: "the same ratio as for 16 + 200 bytes"),
        Goal(
            .smallMiss, "absent key, 8 + 8 bytes", .atMost, 0.5, to: "a get that finds its key",
            because: "the same ratio as for 16 + 200 bytes"),
    ]

    private static let stream =
        "streaming floor: non-temporal stores of the same pieces, one drain; rate over rate"

    private static let large = [
        Goal(
            .put4K, "put of 4 KiB", .atLeast, 0.9, to: stream,
            because: "a large value is limited by the medium alone"),
        Goal(
            .put64K, "put of 64 KiB", .atLeast, 0.9, to: stream,
            because: "a large value is limited by the medium alone"),
    ]

    private static let hash = "the same with the hash index alone"
    private static let lmdb = "LMDB on the same keys, same order"

    private static let ordered = [
        Goal(
            .orderedPut, "put of a new key, ordered index", .atMost, 1.5, to: hash,
            because: "a descent of a tree whose upper nodes are cached"),
        Goal(
            .orderedOverwrite, "overwrite, ordered index", .atMost, 1.1, to: hash,
            because: "an overwrite does not touch the tree"),
        Goal(
            .orderedRemove, "remove, ordered index", .atMost, 1.5, to: hash,
            because: "as for a new key"),
        Goal(
            .scanRate, "scans of 100 entries", .atLeast, 100_000, .perSecond,
            to: "none of its own: absolute", because: "a C sketch took 68 to 92 ns an entry"),
        Goal(
            .scan, "scan of 100 entries, fresh", .atMost, 1, to: lmdb,
            because: "ahead of the fastest peer"),
        Goal(
            .scanOverwritten, "the same, every key overwritten twice", .atMost, 1, to: lmdb,
            because: "ahead of the fastest peer"),
        Goal(
            .readseq, "reading all entries, fresh", .atMost, 1, to: lmdb,
            because: "ahead of the fastest peer"),
        Goal(
            .readseqOverwritten, "the same, every key overwritten twice", .atMost, 1, to: lmdb,
            because: "ahead of the fastest peer"),
    ]

    private static let absolute = "none of its own: absolute"

    private static let memory = [
        Goal(
            .dramHash, "DRAM a key, hash index", .atMost, 13, .bytes, to: absolute,
            because: "8-byte slots, well filled"),
        Goal(
            .dramOrdered, "DRAM a key, ordered index in all", .atMost, 40, .bytes, to: absolute,
            because: "leaves that hold location and prefix, keys read from their records"),
    ]

    private static let opening = [
        Goal(
            .orderedOpenClean, "ordered open after a close, a key", .atMost, 76, .nanoseconds,
            to: absolute, because: "a fifth of 0.76 s at 2 million keys, 2 processors"),
        Goal(
            .orderedOpenKill, "ordered open after a kill, a key", .atMost, 170, .nanoseconds,
            to: absolute, because: "a fifth of 1.7 s at 2 million keys, 2 processors"),
        Goal(
            .recoveryClean, "open after a close, a key", .atMost, 8, .nanoseconds, to: absolute,
            because: "40 ms at 5 million keys, 2 processors"),
        Goal(
            .recoveryKill, "open after a kill, a key", .atMost, 50, .nanoseconds, to: absolute,
            because: "250 ms at 5 million keys; a sketch rebuilt them in 160 to 210 ms"),
    ]

    private static let oneThread = "one thread; rate over rate"

    private static let threads = [
        Goal(
            .put2, "two threads, put", .atLeast, 1.7, to: oneThread,
            because: "heads of their own share no line but counters"),
        Goal(
            .get2, "two threads, get", .atLeast, 1.7, to: oneThread,
            because: "readers take no lock; the bound of puts"),
    ]

    private static func sustainedAt(
        _ percent: Int, _ rows: (tail: GoalRow, p9999: GoalRow, max: GoalRow, writes: GoalRow)
    ) -> [Goal] {
        let full = "\(percent) % full, uniform"
        return [
            Goal(
                rows.tail, "p99.9, overwrites, \(full)", .atMost, 10, to: "p50 of the same run",
                because: "compaction in small steps, fairly shared"),
            Goal(
                rows.p9999, "p99.99, \(full)", .atMost, 50, .microseconds,
                to: "none of its own: hiccups of a spinning thread beside it",
                because: "no put waits for a whole segment"),
            Goal(
                rows.max, "slowest, \(full)", .atMost, 200, .microseconds,
                to: "none of its own: hiccups of a spinning thread beside it",
                because: "no put waits for a whole segment"),
            Goal(
                rows.writes, "write amplification, \(full)", .atMost, 1.15,
                to: "the bound by theory at the true utilisation",
                because: "greedy choice is optimal for uniform overwrites"),
        ]
    }

    private static let sustained =
        sustainedAt(50, (.tail50, .p9999At50, .max50, .writes50))
        + sustainedAt(70, (.tail70, .p9999At70, .max70, .writes70))
        + sustainedAt(90, (.tail90, .p9999At90, .max90, .writes90))
        + [
            Goal(
                .writesZipfian90, "write amplification, 90 % full, zipfian 0.99", .atMost, 0.6,
                to: "the bound by theory for uniform overwrites",
                because: "hot and cold records apart"),
            Goal(
                .compaction, "compaction, a copied record", .atMost, 200, .nanoseconds,
                to: absolute, because: "one prefetched pass instead of 460 ns"),
        ]

    private static let bare = "bare pwrite(2) and fdatasync(2) of 256 bytes, one thread"
    private static let oneWriter = "one writer; rate over rate"

    private static let disk = [
        Goal(
            .msync1, "msync on a disk, one writer", .atMost, 1.1, to: bare,
            because: "the disk is all that counts"),
        Goal(
            .msync4, "msync, 4 writers", .atLeast, 3, to: oneWriter,
            because: "a put waits for about one round more than its own"),
        Goal(
            .msync16, "msync, 16 writers", .atLeast, 6, to: oneWriter,
            because: "a put waits for two rounds instead of five"),
        Goal(
            .syscalls1, "write(2) on a disk, one writer", .atMost, 1.1, to: bare,
            because: "the disk is all that counts"),
        Goal(
            .syscalls4, "write(2), 4 writers", .atLeast, 3, to: oneWriter,
            because: "a put waits for about one round more than its own"),
        Goal(
            .syscalls16, "write(2), 16 writers", .atLeast, 6, to: oneWriter,
            because: "a put waits for two rounds instead of five"),
    ]
}
