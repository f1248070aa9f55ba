// The devices above a memory device in /sys/devices: which bus, region and driver it comes from.
//
// sysfs keeps each device in the directory of its parent, so the path itself is the answer:
//   .../ACPI0012:00/ndbus0/region0/pfn0.1/block/pmem0         an NVDIMM, fsdax
//   .../virtio2/ndbus1/region1/namespace1.0/block/pmem1       virtio-pmem
//   .../ndbus0/region0/dax0.1/dax0.0                          an NVDIMM, devdax
//   .../platform/hmem.0/dax1.0                                specific-purpose memory
//   .../decoder0.0/region2/dax_region2/dax2.0                 volatile CXL memory

struct DeviceAncestry {
    /// The libnvdimm or CXL region's directory.
    private(set) var region: String?
    /// The directory of the namespace itself, when the device lies directly below it.
    private(set) var namespace: String?
    /// The directory of the pfn, dax or btt device that claims the namespace.
    private(set) var holder: String?
    private(set) var driver: String?
    private(set) var sourceDriver: String?
    private(set) var busProvider: String?
    private(set) var backing = PmemDevice.Backing.unknown

    /// Walks from the device's directory up to /sys/devices.
    init(of directory: String, root: SystemRoot) {
        var bus: String?
        var isCXLVolatile = false
        var path = directory
        while path.count > "/sys/devices".count, let slash = path.lastIndex(of: "/") {
            let name = path.lastPathComponent
            let bound = root.linkName(path + "/driver")
            if driver == nil { driver = bound }
            if Self.isHolder(name), path != directory, holder == nil {
                holder = path
                sourceDriver = sourceDriver ?? bound
            }
            if name.isNumberedPair(after: "namespace"), namespace == nil { namespace = path }
            if name.number(after: "region") != nil, region == nil { region = path }
            if name.number(after: "ndbus") != nil { bus = path }
            if name.number(after: "dax_region") != nil || bound == "cxl_dax_region" {
                isCXLVolatile = true
                sourceDriver = bound ?? "cxl_dax_region"
            }
            if name.number(after: "hmem.") != nil {
                backing = .specificPurpose
                sourceDriver = Self.moduleName(path, root) ?? bound ?? "dax_hmem"
            }
            if name.number(after: "virtio") != nil, bus != nil {
                backing = .virtioPmem
                sourceDriver = bound ?? "virtio_pmem"
            }
            path = String(path[..<slash])
        }
        if let bus { readBus(bus, root) }
        classify(isCXLVolatile: isCXLVolatile, hasNVDIMMBus: bus != nil, root)
    }

    private mutating func readBus(_ bus: String, _ root: SystemRoot) {
        busProvider = root.value(bus + "/provider")
        for name in root.list(bus) where busProvider == nil && name.number(after: "ndctl") != nil {
            busProvider = root.value(bus + "/" + name + "/provider")
        }
        for child in root.list(bus + "/ndctl") where busProvider == nil {
            busProvider = root.value(bus + "/ndctl/" + child + "/provider")
        }
    }

    private mutating func classify(
        isCXLVolatile: Bool, hasNVDIMMBus: Bool, _ root: SystemRoot
    ) {
        guard backing == .unknown else { return }
        if isCXLVolatile {
            backing = .cxlVolatile
        } else if hasNVDIMMBus, let region {
            if root.value(region + "/devtype") == "nd_volatile" {
                backing = .volatileRegion
            } else if busProvider == "e820" {
                backing = .legacyE820
            } else {
                backing = .nvdimm
            }
        }
    }

    /// The devices that claim a namespace: pfnX.Y (fsdax), daxX.Y (devdax), bttX.Y (sector).
    private static func isHolder(_ name: String) -> Bool {
        name.isNumberedPair(after: "pfn") || name.isNumberedPair(after: "dax")
            || name.isNumberedPair(after: "btt")
    }

    private static func moduleName(_ device: String, _ root: SystemRoot) -> String? {
        root.linkName(device + "/driver/module")
    }
}
