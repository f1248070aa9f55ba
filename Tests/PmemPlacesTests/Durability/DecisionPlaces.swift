// One place of every kind that a decision can meet, on a made-up machine of its own, and every
// combination of what else decides.

import PmemPlaces
import SystemPackage

/// A kind of place.
enum SamplePlace: String, CaseIterable {
    case disk, tmpfs, nvdimm, virtio, volatileRegion, silentWriteCache, nvdimmWithoutDAX
    case devdax, specificPurpose, virtioDevdax
    case initramfs, overlayOnMemory, loopOnMemory, ramDisk, network

    func facts(_ system: MadeUpSystem) throws -> PlaceFacts {
        switch self {
        case .initramfs, .overlayOnMemory, .loopOnMemory, .ramDisk, .network:
            return try stackedFacts(system)
        case .disk:
            try system.disk("sda1", device: "8:1")
            try system.mount(device: "8:1", at: "/mnt", type: "ext4", source: "/dev/sda1")
            return system.file(on: .init(8, 1), isDAX: false)
        case .tmpfs:
            try system.mount(device: "0:20", at: "/mnt", type: "tmpfs", source: "tmpfs")
            return system.file(on: .init(0, 20), isDAX: false)
        case .nvdimm, .nvdimmWithoutDAX:
            try system.pmem(0, region: try system.region(0), device: "259:0")
            return try system.daxFile(isDAX: self == .nvdimm)
        case .virtio:
            try system.pmem(0, region: try system.region(0, virtio: true), device: "259:0")
            return try system.daxFile()
        case .volatileRegion:
            let region = try system.region(0, type: "nd_volatile", domain: nil)
            try system.pmem(0, region: region, device: "259:0")
            return try system.daxFile()
        case .silentWriteCache:
            try system.pmem(
                0, region: try system.region(0), device: "259:0", writeCache: "0")
            return try system.daxFile()
        case .devdax, .virtioDevdax:
            let region = try system.region(0, virtio: self == .virtioDevdax)
            let holder = try system.daxHolder("dax0.1", region: region, pageMap: "ram")
            try system.devdax("dax0.0", parent: holder, device: "252:0")
            return system.devdaxFacts("dax0.0")
        case .specificPurpose:
            let parent = "/sys/devices/platform/hmem.0"
            try system.driver(parent, "hmem", bus: "platform")
            try system.devdax("dax0.0", parent: parent, device: "252:0")
            return system.devdaxFacts("dax0.0")
        }
    }

    /// Places whose memory is not theirs to see: what lies below decides.
    private func stackedFacts(_ system: MadeUpSystem) throws -> PlaceFacts {
        try system.mount(id: 39, device: "0:20", at: "/run", type: "tmpfs", source: "tmpfs")
        switch self {
        case .overlayOnMemory:
            try system.makeDirectory("/run/upper")
            try system.mount(
                device: "0:30", at: "/mnt", type: "overlay", source: "overlay",
                superOptions: "rw,lowerdir=/lower,upperdir=/run/upper,workdir=/run/work")
            return system.file(on: .init(0, 30), isDAX: false)
        case .loopOnMemory:
            try system.file("/run/image", "")
            try system.disk("loop0", device: "7:0", file: "/run/image")
            try system.mount(device: "7:0", at: "/mnt", type: "ext4", source: "/dev/loop0")
            return system.file(on: .init(7, 0), isDAX: false)
        case .ramDisk:
            try system.disk("ram0", device: "1:0")
            try system.mount(device: "1:0", at: "/mnt", type: "xfs", source: "/dev/ram0")
            return system.file(on: .init(1, 0), isDAX: false)
        case .network:
            try system.mount(device: "0:40", at: "/mnt", type: "nfs4", source: "host:/export")
            return system.file(on: .init(0, 40), isDAX: false)
        default:
            try system.mount(device: "0:2", at: "/mnt", type: "rootfs", source: "rootfs")
            return system.file(on: .init(0, 2), isDAX: false)
        }
    }

    var isVolatile: Bool {
        [
            .tmpfs, .volatileRegion, .specificPurpose, .initramfs, .overlayOnMemory,
            .loopOnMemory, .ramDisk,
        ].contains(self)
    }
    /// Places of which this machine cannot tell what becomes of them.
    var isDoubtful: Bool { self == .network }
    var isDevice: Bool { [.devdax, .specificPurpose, .virtioDevdax].contains(self) }
    var isAsynchronous: Bool { self == .virtio || self == .virtioDevdax }
    /// Places that are refused whatever else is the case.
    var isRefused: Bool { self == .specificPurpose || self == .virtioDevdax }
}

/// What decides beside the place.
struct Circumstances: CustomStringConvertible {
    var mapSync = true
    var force: String?
    var noFlush: String?
    var hasAutoFlush = false
    var io = IOPath.automatic

    static var all: [Circumstances] {
        var all: [Circumstances] = []
        for mapSync in [true, false] {
            for force in [nil, "0", "1"] {
                for noFlush in [nil, "0", "1"] {
                    for hasAutoFlush in [false, true] {
                        for io in [IOPath.automatic, .syscalls] {
                            all.append(
                                Circumstances(
                                    mapSync: mapSync, force: force, noFlush: noFlush,
                                    hasAutoFlush: hasAutoFlush, io: io))
                        }
                    }
                }
            }
        }
        return all
    }

    var environment: [String: String] {
        var environment: [String: String] = [:]
        environment["PMEM_IS_PMEM_FORCE"] = force
        environment["PMEM_NO_FLUSH"] = noFlush
        return environment
    }

    var libpmem: LibpmemFacts {
        LibpmemFacts(hasAutoFlush: hasAutoFlush, environment: environment)
    }

    var description: String {
        "MAP_SYNC \(mapSync), force \(force ?? "-"), no-flush \(noFlush ?? "-"), "
            + "eADR \(hasAutoFlush), io \(io.rawValue)"
    }

    /// What an open says: first what is expected of libpmem, then what libpmem says of the mapping,
    /// which is what pmem_is_pmem(3) documents. Nil: refused.
    func opened(_ facts: PlaceFacts) -> DurabilityDecision? {
        guard let first = decision(facts, mapping: nil), first.strategy != .syscalls else {
            return decision(facts, mapping: nil)
        }
        let isPmem =
            switch force {
            case "0": false
            case "1": true
            default: mapSync || facts.kind == .devdax
            }
        return decision(facts, mapping: isPmem)
    }

    func decision(_ facts: PlaceFacts, mapping: Bool?) -> DurabilityDecision? {
        try? DurabilityDecision(
            on: facts, mapSync: mapSync, mapping: mapping, libpmem: libpmem, io: io)
    }

    func report(_ facts: PlaceFacts, _ system: MadeUpSystem) -> PlaceReport {
        system.report(
            facts, mapSync ? .accepted : .refused(.notSupportedOnSocket),
            hasAutoFlush: hasAutoFlush, environment: environment, io: io)
    }
}
