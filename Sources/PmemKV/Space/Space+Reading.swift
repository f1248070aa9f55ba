/// The beginning of an extent's emptying: what is in it is read, in steps.
///
/// Invariant: the compaction lock is held.
extension Space {
    /// Makes an extent the victim.
    func begin(_ extent: SegmentNumber) {
        assert(underWay == nil && segments.phase(extent) == .sealed)
        garbage.forget(extent)
        let summary = try? log.extentReader(seed: index.seed).beginSummary(segments.extent(extent))
        underWay = Victim(extent, at: segments.geometry.firstLocation(of: extent), summary)
    }

    /// Reads the next entries of the victim's summary. A victim that is damaged is put aside: its
    /// other records stay readable where they are.
    ///
    /// - Complexity: O(entries to read); where the summary is damaged, O(bytes of records).
    func read(_ victim: consuming Victim, _ budget: StepBudget) -> Progress {
        let extent = victim.extent
        var known: (entries: [SummaryEntry], hasTombstones: Bool)?
        do throws(StoreError) {
            if var summary = victim.takeSummary() {
                try log.extentReader(seed: index.seed).goOn(
                    with: &summary, of: segments.extent(extent), entries: budget.reads)
                guard summary.isDone else {
                    victim.keep(summary)
                    underWay = victim
                    return .more
                }
                known = summary.entries.map { ($0, summary.hasTombstones) }
            }
            if known == nil {
                known = (try log.sealedEntries(extent, seed: index.seed), true)
            }
        } catch {
            segments.quarantine(extent)
            return .done
        }
        if let known {
            awaitPublishers()
            victim.know(known.entries, known.hasTombstones ? liveness.horizon() : Horizon())
        }
        underWay = victim
        return .more
    }

    /// Waits until every writer that had appended before has also published.
    ///
    /// A writer gives its head back before it publishes, so an extent can be sealed and chosen
    /// while the put that a tombstone in it superseded is not yet counted as superseded; the
    /// tombstone would look droppable, and a record that is about to be published would look dead.
    /// Writers hold their shard until all is counted.
    private func awaitPublishers() { index.passThroughAllShards() }
}
