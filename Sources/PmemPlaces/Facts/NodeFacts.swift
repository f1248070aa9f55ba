// NUMA: which nodes the process may run on, and what the kernel knows of a node's speed (HMAT).

/// What the kernel says about a node of memory as seen from the nearest processors.
package struct NodeSpeed: Sendable, Equatable {
    package var node: Int
    package var readLatencyNanoseconds: Int?
    package var writeLatencyNanoseconds: Int?
    /// MiB/s.
    package var readBandwidth: Int?
    /// MiB/s.
    package var writeBandwidth: Int?
    /// The nodes whose processors the figures hold for.
    package var initiators: [Int]

    /// Reads the figures of a node; nil when the firmware gave none.
    package init?(node: Int, root: SystemRoot) {
        self.node = node
        for access in ["access0", "access1"] {
            let directory = "/sys/devices/system/node/node\(node)/\(access)/initiators"
            readLatencyNanoseconds = Self.figure(directory + "/read_latency", root)
            writeLatencyNanoseconds = Self.figure(directory + "/write_latency", root)
            readBandwidth = Self.figure(directory + "/read_bandwidth", root)
            writeBandwidth = Self.figure(directory + "/write_bandwidth", root)
            initiators = root.list(directory).compactMap { $0.number(after: "node") }.sorted()
            if readLatencyNanoseconds != nil || readBandwidth != nil { return }
        }
        return nil
    }

    /// A zero means that the firmware left the figure out.
    private static func figure(_ path: String, _ root: SystemRoot) -> Int? {
        root.integer(path).flatMap { $0 > 0 ? $0 : nil }
    }
}

/// Which nodes exist, which have processors, and which of those this process may use.
public struct NodeFacts: Sendable, Equatable {
    /// The processors of each node that is online.
    package var processors: [Int: Set<Int>]
    package var allowedProcessors: Set<Int>
    /// From each node to each, 10 for itself; none where the kernel's list does not fit the nodes.
    private var distances: [Int: [Int: Int]]

    /// Looks at this machine's nodes.
    public init() { self.init(root: SystemRoot()) }

    package init(root: SystemRoot) {
        processors = [:]
        distances = [:]
        for name in root.list("/sys/devices/system/node") {
            guard let node = name.number(after: "node") else { continue }
            processors[node] = Self.numbers(
                root.value("/sys/devices/system/node/\(name)/cpulist") ?? "")
        }
        let nodes = processors.keys.sorted()
        for node in nodes {
            let line = root.value("/sys/devices/system/node/node\(node)/distance") ?? ""
            let row = line.split(separator: " ").compactMap { Int($0) }
            guard row.count == nodes.count else { continue }
            distances[node] = Dictionary(uniqueKeysWithValues: zip(nodes, row))
        }
        allowedProcessors = []
        let status = root.text("/proc/self/status") ?? ""
        for line in status.split(separator: "\n") where line.hasPrefix("Cpus_allowed_list:") {
            let list = line.dropFirst("Cpus_allowed_list:".count).trimmingASCIISpace()
            allowedProcessors = Self.numbers(String(list))
        }
    }

    /// The nodes this process may run on.
    package var allowedNodes: [Int] {
        processors.filter { !$0.value.isDisjoint(with: allowedProcessors) }.map(\.key).sorted()
    }

    /// The node with processors that is nearest to a node, by the distances the kernel lists.
    package func nearest(to node: Int) -> Int? {
        (distances[node] ?? [:]).filter { !(processors[$0.key] ?? []).isEmpty }
            .min { ($0.value, $0.key) < ($1.value, $1.key) }?.key
    }

    /// How far a node is from the first node that this process may run on, as numactl --hardware
    /// shows it.
    public func distance(to node: Int) -> Int? {
        allowedNodes.first.flatMap { distances[$0]?[node] }
    }

    /// Parses a list such as `0-3,8,10-11`. Numbers above a million are not processors.
    static func numbers(_ list: String) -> Set<Int> {
        var result: Set<Int> = []
        for part in list.split(separator: ",") {
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 20
            else { continue }
            result.formUnion(first...last)
        }
        return result
    }
}
