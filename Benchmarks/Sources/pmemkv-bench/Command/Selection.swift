import ArgumentParser

/// Turns the words of the command line into engines and workloads.
enum Selection {
    static func engines(
        _ text: String, durability: String, index: String, onDevice: Bool, _ notes: inout [String]
    ) throws -> [EngineKind] {
        let floors: [EngineKind] = [.floorAppend, .floorIndex]
        var chosen: [EngineKind]
        switch text {
        case "all": chosen = EngineKind.allCases.filter { $0 != .pmemkvSyscalls }
        case "durable": chosen = EngineKind.allCases.filter(\.traits.isDurable)
        case "store": chosen = floors + [.pmemkv, .pmemkvOrdered]
        default:
            chosen = try listed(
                text, "engine", EngineKind.allCases.map(\.rawValue), ["all", "durable", "store"])
            // Ratios need their floors.
            chosen = floors.filter { !chosen.contains($0) } + chosen
        }
        switch durability {
        case "both": break
        case "durable": chosen.removeAll { !$0.traits.isDurable }
        case "relaxed": chosen.removeAll { $0.traits.isDurable && !$0.traits.isFloor }
        default: throw ValidationError("durability: durable, relaxed or both")
        }
        return try withIndex(index, chosen, &notes).filter { engine in
            if let package = engine.packageToInstall {
                notes.append(
                    "note: \(engine.rawValue) is left out: install it with "
                        + "`apt-get install \(package)` and build again")
                return false
            }
            if onDevice && !engine.runsOnDevice {
                notes.append("note: \(engine.rawValue) is left out: it needs a file system")
                return false
            }
            return true
        }
    }

    /// Gives the store one index where only one is wanted.
    private static func withIndex(
        _ text: String, _ chosen: [EngineKind], _ notes: inout [String]
    ) throws -> [EngineKind] {
        var result: [EngineKind] = []
        for engine in chosen {
            var engine = engine
            switch (text, engine) {
            case ("both", _): break
            case ("hash", .pmemkvOrdered): engine = .pmemkv
            case ("ordered", .pmemkv): engine = .pmemkvOrdered
            case ("ordered", .pmemkvRelaxed), ("ordered", .pmemkvSyscalls):
                notes.append("note: \(engine.rawValue) is left out: it has the hash index")
                continue
            case ("hash", _), ("ordered", _): break
            default: throw ValidationError("index: hash, ordered or both")
            }
            if !result.contains(engine) { result.append(engine) }
        }
        return result
    }

    static func workloads(_ text: String) throws -> [Workload] {
        switch text {
        case "all": return inOrder(Workload.allCases)
        case "dbbench": return inOrder(Workload.allCases.filter { !$0.rawValue.hasPrefix("ycsb") })
        case "ycsb": return Workload.allCases.filter { $0.rawValue.hasPrefix("ycsb") }
        default:
            return try listed(
                text, "workload", Workload.allCases.map(\.rawValue), ["all", "dbbench", "ycsb"])
        }
    }

    /// The words between commas; a wrong or a missing one gets a list of all there are.
    static func listed<Word: RawRepresentable<String>>(
        _ text: String, _ what: String, _ known: [String], _ groups: [String]
    ) throws -> [Word] {
        func failure(_ problem: String) -> ValidationError {
            ValidationError(
                "\(problem); there are \(known.joined(separator: ", ")), and for several "
                    + groups.joined(separator: ", "))
        }
        let words = text.split(separator: ",").map(String.init)
        guard !words.isEmpty else { throw failure("no \(what) is given") }
        return try words.map { word in
            guard let found = Word(rawValue: word) else {
                throw failure("unknown \(what) '\(word)'")
            }
            return found
        }
    }

    /// A number of an option that counts or takes time, which arithmetic on it can bear.
    static func check<Number: Comparable>(
        _ number: Number, in range: ClosedRange<Number>, _ option: String
    ) throws {
        // A NaN is in no range.
        guard range.contains(number) else {
            throw ValidationError(
                "\(option) is \(number); it must be from \(range.lowerBound) to "
                    + "\(range.upperBound)")
        }
    }

    /// Deletion last: the others want all keys.
    private static func inOrder(_ workloads: [Workload]) -> [Workload] {
        workloads.filter { $0 != .deleterandom } + workloads.filter { $0 == .deleterandom }
    }
}
