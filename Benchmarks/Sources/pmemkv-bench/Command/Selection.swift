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
            chosen = try text.split(separator: ",").map { word in
                guard let engine = EngineKind(rawValue: String(word)) else {
                    throw ValidationError("unknown engine '\(word)'")
                }
                return engine
            }
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
            return try text.split(separator: ",").map { word in
                guard let workload = Workload(rawValue: String(word)) else {
                    throw ValidationError("unknown workload '\(word)'")
                }
                return workload
            }
        }
    }

    /// Deletion last: the others want all keys.
    private static func inOrder(_ workloads: [Workload]) -> [Workload] {
        workloads.filter { $0 != .deleterandom } + workloads.filter { $0 == .deleterandom }
    }
}
