// One memory device (pmemN or daxX.Y) as sysfs describes it, and where its memory comes from.
//
// Invariant: a device counts as persistent only when a libnvdimm region that is not volatile
// stands above it. libpmem calls every devdax persistent; this type is what disagrees.

/// A pmemN block device or a daxX.Y character device.
public struct PmemDevice: Sendable, Equatable {
    /// Where the memory behind a device comes from.
    package enum Backing: String, Sendable {
        /// A persistent libnvdimm region: NVDIMM, CXL persistent memory, an emulated one.
        case nvdimm
        /// A memory range of the hypervisor behind a paravirtual flush (virtio-pmem).
        case virtioPmem
        /// A range given with `memmap=nn!ss` or by legacy e820 type 12: nothing says that it
        /// survives, and with memmap it is DRAM.
        case legacyE820
        /// A libnvdimm region that says it is volatile.
        case volatileRegion
        /// EFI_MEMORY_SP memory such as HBM, handed out by dax_hmem.
        case specificPurpose
        /// Volatile CXL memory, handed out by dax_cxl.
        case cxlVolatile
        case unknown
    }

    /// A run of 512-byte sectors that cannot be read.
    package struct BadRange: Sendable, Equatable {
        package var firstSector: Int
        package var sectorCount: Int
    }

    /// `pmem0` or `dax0.1`.
    public var name: String
    /// The device's directory below the root; empty when sysfs does not know the device.
    package var sysfsPath: String
    package var isCharacterDevice: Bool
    package var backing: Backing
    /// The driver bound to the innermost device that has one: `nd_pmem`, `device_dax`, `kmem`.
    package var driver: String?
    /// A device on the dax bus to which no driver is bound: it exists, but cannot be opened.
    package var isDisabled: Bool
    /// The driver the memory comes through: `virtio_pmem`, `hmem`, `cxl_dax_region`, `dax_pmem`.
    package var sourceDriver: String?
    /// The libnvdimm or CXL region: `region0`.
    package var region: String?
    /// Who registered the libnvdimm bus: `ACPI.NFIT`, `e820`, `CXL`.
    package var busProvider: String?
    /// The namespace below the device: `namespace0.0`.
    package var namespace: String?
    /// `memory_controller`, `cpu_cache` (eADR); nil when the region does not say.
    package var persistenceDomain: String?
    /// Where struct page lives: `ram` (map=mem), `pmem` (map=dev), `none`.
    public var pageMap: String?
    /// `fsdax`, `devdax`, `sector` or `raw`; nil when it cannot be told.
    package var mode: String?
    public var alignmentBytes: Int?
    public var sizeBytes: Int?
    /// Physical address of the first byte; sysfs shows it to root only.
    public var physicalAddress: Int?
    /// Physical address where the namespace begins: struct page, where it is on the device, lies
    /// between this and the first byte.
    public var namespaceAddress: Int?
    public var numaNode: Int?
    /// The node that the memory would form by itself; HMAT figures are under this number.
    package var targetNode: Int?
    package var badRanges: [BadRange]
    /// queue/dax of a block device: a file system on it may use DAX.
    package var isDAXCapable: Bool?
    /// dax/write_cache: fsync really flushes the processor's cache.
    package var hasWriteCache: Bool?

    /// A devdax that was given to the kernel as ordinary memory.
    package var isSystemRAM: Bool { driver == "kmem" }

    /// The memory forgets at power loss, whatever else it claims.
    package var isVolatile: Bool {
        switch backing {
        case .volatileRegion, .specificPurpose, .cxlVolatile: true
        case .nvdimm, .virtioPmem, .legacyE820, .unknown: false
        }
    }

    /// fsync and msync skip the flush of the processor's caches, though power loss does not
    /// flush them.
    package var leavesCachesUnflushed: Bool {
        backing == .nvdimm && hasWriteCache == false && persistenceDomain != "cpu_cache"
    }

    /// Stores are durable only after fsync or msync has reached the host.
    package var isAsynchronous: Bool { backing == .virtioPmem }
}

extension PmemDevice {
    /// Reads everything sysfs tells about a device.
    ///
    /// - Parameters:
    ///   - directory: the device's own directory with links followed, for a pmem block device
    ///     `/sys/devices/.../block/pmem0`, for devdax `/sys/devices/.../dax0.0`.
    package init(
        name: String, directory: String?, isCharacterDevice: Bool, root: SystemRoot
    ) {
        self.name = name
        self.isCharacterDevice = isCharacterDevice
        sysfsPath = directory ?? ""
        backing = .unknown
        badRanges = []
        isDisabled = false
        guard let directory else { return }
        let ancestry = DeviceAncestry(of: directory, root: root)
        backing = ancestry.backing
        driver = ancestry.driver
        if isCharacterDevice, root.resolve(directory + "/subsystem") == "/sys/bus/dax" {
            driver = root.linkName(directory + "/driver")
            isDisabled = driver == nil
        }
        sourceDriver = ancestry.sourceDriver
        region = ancestry.region?.lastPathComponent
        busProvider = ancestry.busProvider
        if let region = ancestry.region {
            persistenceDomain = root.value(region + "/persistence_domain")
        }
        readNamespace(ancestry, root)
        readGeometry(directory, ancestry, root)
    }

    private mutating func readNamespace(_ ancestry: DeviceAncestry, _ root: SystemRoot) {
        if let holder = ancestry.holder {
            let kind = holder.lastPathComponent
            pageMap = root.value(holder + "/mode")
            namespace = root.value(holder + "/namespace")
            alignmentBytes = root.integer(holder + "/align")
            physicalAddress = root.integer(holder + "/resource")
            namespaceAddress = namespace.flatMap {
                root.integer("/sys/bus/nd/devices/\($0)/resource")
            }
            mode = kind.hasPrefix("dax") ? "devdax" : kind.hasPrefix("btt") ? "sector" : "fsdax"
            if mode == "sector" { pageMap = nil }
        } else if let own = ancestry.namespace {
            namespace = own.lastPathComponent
            physicalAddress = root.integer(own + "/resource")
            namespaceAddress = physicalAddress
            // A namespace without an info block (virtio-pmem, e820) may still have struct page,
            // then always in DRAM: its mode reads `memory`, not `raw`.
            if root.value(own + "/mode") == "memory" {
                mode = "fsdax"
                pageMap = "ram"
            } else {
                mode = "raw"
            }
        } else if isCharacterDevice {
            mode = "devdax"
        }
    }

    private mutating func readGeometry(
        _ directory: String, _ ancestry: DeviceAncestry, _ root: SystemRoot
    ) {
        if isCharacterDevice {
            alignmentBytes =
                root.integer(directory + "/align")
                ?? root.integer(directory + "/../dax_region/align") ?? alignmentBytes
            sizeBytes = root.integer(directory + "/size")
            physicalAddress = root.integer(directory + "/resource") ?? physicalAddress
        } else {
            sizeBytes = root.integer(directory + "/size").map { $0 * 512 }
            isDAXCapable = root.flag(directory + "/queue/dax")
            hasWriteCache = Self.writeCache(root.value(directory + "/dax/write_cache"))
        }
        let regionPath = ancestry.region ?? ""
        numaNode = Self.node(
            root.integer(directory + "/numa_node") ?? root.integer(regionPath + "/numa_node"))
        targetNode = Self.node(
            root.integer(directory + "/target_node") ?? root.integer(regionPath + "/target_node"))
        let bad = isCharacterDevice ? regionPath + "/badblocks" : directory + "/badblocks"
        badRanges = Self.badRanges(root.text(bad) ?? "")
    }

    private static func node(_ number: Int?) -> Int? {
        number.flatMap { $0 >= 0 ? $0 : nil }
    }

    private static func writeCache(_ value: String?) -> Bool? {
        switch value {
        case "1", "write back": true
        case "0", "write through": false
        default: nil
        }
    }

    /// Parses a sysfs badblocks list: a line for each run, first sector and count.
    static func badRanges(_ text: String) -> [BadRange] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ").compactMap { Int($0) }
            guard fields.count == 2, fields[0] >= 0, fields[1] > 0 else { return nil }
            return BadRange(firstSector: fields[0], sectorCount: fields[1])
        }
    }
}
