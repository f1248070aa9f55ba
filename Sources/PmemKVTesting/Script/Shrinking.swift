extension Script {
    /// A shorter script that still fails, found by leaving out and simplifying one thing at a
    /// time as long as `fails` says yes.
    package func shrunk(while fails: (Script) -> Bool) -> Script {
        var best = self
        var progressed = true
        while progressed {
            progressed = false
            for candidate in best.simpler where fails(candidate) {
                best = candidate
                progressed = true
                break
            }
        }
        return best
    }

    /// Scripts with one thing less.
    private var simpler: [Script] {
        var result: [Script] = []
        for index in steps.indices.reversed() {
            var copy = self
            copy.steps.remove(at: index)
            copy.silentSteps = min(silentSteps, copy.steps.count)
            result.append(copy)
        }
        for thread in parallel.indices {
            for index in parallel[thread].indices.reversed() {
                var copy = self
                copy.parallel[thread].remove(at: index)
                result.append(copy)
            }
        }
        for index in steps.indices {
            if steps[index].crashAt != nil {
                var copy = self
                copy.steps[index].crashAt = nil
                result.append(copy)
                if steps[index].pick > 1 {
                    copy.steps[index].crashAt = steps[index].crashAt
                    copy.steps[index].pick = 0
                    result.append(copy)
                    copy.steps[index].pick = 1
                    result.append(copy)
                }
            }
            for operation in steps[index].operation.simpler {
                var copy = self
                copy.steps[index].operation = operation
                result.append(copy)
            }
        }
        return result
    }
}

extension Operation {
    fileprivate var simpler: [Operation] {
        switch self {
        case .put(let key, let length, let relaxed):
            var result: [Operation] = []
            if length > 0 { result.append(.put(key: key, length: 0, relaxed: relaxed)) }
            if length > 32 { result.append(.put(key: key, length: length / 2, relaxed: relaxed)) }
            if relaxed { result.append(.put(key: key, length: length, relaxed: false)) }
            return result
        case .batch(let entries, let relaxed):
            guard entries.count > 1 else {
                let entry = entries[0]
                return [
                    entry.length.map { .put(key: entry.key, length: $0, relaxed: relaxed) }
                        ?? .remove(key: entry.key, relaxed: relaxed)
                ]
            }
            return entries.indices.map { index in
                var copy = entries
                copy.remove(at: index)
                return .batch(copy, relaxed: relaxed)
            }
        case .remove(let key, relaxed: true): return [.remove(key: key, relaxed: false)]
        default: return []
        }
    }
}
