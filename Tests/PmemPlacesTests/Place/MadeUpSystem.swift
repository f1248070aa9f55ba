// A made-up /sys and /proc in a temporary directory, laid out the way the kernel does it: devices
// live below /sys/devices in the directory of their parent, everything else is a relative link.

import Foundation
import PmemPlaces

final class MadeUpSystem {
    let directory: String

    var root: SystemRoot { SystemRoot(directory) }

    init() throws {
        directory = NSTemporaryDirectory() + "made-up-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    func file(_ path: String, _ content: String) throws {
        try makeParent(path)
        try (content + "\n").write(toFile: directory + path, atomically: false, encoding: .utf8)
    }

    func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: directory + path, withIntermediateDirectories: true)
    }

    /// Makes `path` a relative link to `target`; both begin at the made-up root.
    func link(_ path: String, to target: String) throws {
        try makeParent(path)
        let depth = path.split(separator: "/").count - 1
        let relative = String(repeating: "../", count: depth) + target.dropFirst()
        try FileManager.default.createSymbolicLink(
            atPath: directory + path, withDestinationPath: relative)
    }

    func remove(_ path: String) throws {
        try FileManager.default.removeItem(atPath: directory + path)
    }

    private func makeParent(_ path: String) throws {
        try makeDirectory((path as NSString).deletingLastPathComponent)
    }

    func driver(_ device: String, _ name: String, bus: String) throws {
        try makeDirectory("/sys/bus/\(bus)/drivers/\(name)")
        try link(device + "/driver", to: "/sys/bus/\(bus)/drivers/\(name)")
    }

    func mount(
        id: Int = 40, device: String, at point: String, type: String, source: String,
        options: String = "rw,relatime", superOptions: String = "rw"
    ) throws {
        let old = root.text("/proc/self/mountinfo") ?? ""
        let line = "\(id) 1 \(device) / \(point) \(options) shared:1 - \(type) \(source) "
        try file("/proc/self/mountinfo", old + line + superOptions)
    }
}

// The devices. Each function returns the sysfs directory it made.
extension MadeUpSystem {
    /// A libnvdimm bus and region. Without `virtio`, an NFIT NVDIMM.
    @discardableResult
    func region(
        _ number: Int, virtio: Bool = false, provider: String = "ACPI.NFIT",
        type: String = "nd_pmem", domain: String? = "memory_controller", node: Int = 0,
        targetNode: Int? = nil
    ) throws -> String {
        let parent =
            virtio
            ? "/sys/devices/pci0000:00/0000:00:0\(number).0/virtio\(number)"
            : "/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00"
        if virtio { try driver(parent, "virtio_pmem", bus: "virtio") }
        let bus = parent + "/ndbus\(virtio ? number : 0)"
        try file(bus + "/ndctl0/provider", virtio ? "virtio-pmem" : provider)
        let region = bus + "/region\(number)"
        try file(region + "/devtype", type)
        try file(region + "/numa_node", "\(node)")
        try file(region + "/target_node", "\(targetNode ?? node)")
        try file(region + "/badblocks", "")
        if let domain, !virtio { try file(region + "/persistence_domain", domain) }
        try driver(region, "nd_region", bus: "nd")
        try link("/sys/bus/nd/devices/region\(number)", to: region)
        return region
    }

    /// A pmem block device. `pageMap` nil: a namespace without an info block.
    @discardableResult
    func pmem(
        _ number: Int, region: String, device: String, pageMap: String? = "ram",
        align: Int = 2 << 20, badblocks: String = "", dax: Bool = true,
        namespaceMode: String = "raw", writeCache: String = "1"
    ) throws -> String {
        let holder: String
        if let pageMap {
            holder = region + "/pfn\(number).1"
            try file(holder + "/mode", pageMap)
            try file(holder + "/align", "\(align)")
            try file(holder + "/namespace", "namespace\(number).0")
            try file(holder + "/resource", "0x100200000")
            try file("/sys/bus/nd/devices/namespace\(number).0/resource", "0x100000000")
        } else {
            holder = region + "/namespace\(number).0"
            try file(holder + "/mode", namespaceMode)
        }
        try driver(holder, "nd_pmem", bus: "nd")
        let block = holder + "/block/pmem\(number)"
        try file(block + "/size", "1044480")
        try file(block + "/queue/dax", dax ? "1" : "0")
        try file(block + "/dax/write_cache", writeCache)
        try file(block + "/badblocks", badblocks)
        try link(block + "/device", to: holder)
        try link("/sys/dev/block/" + device, to: block)
        try link("/sys/class/block/pmem\(number)", to: block)
        return block
    }

    /// A device-DAX character device directly below `parent`.
    @discardableResult
    func devdax(
        _ name: String, parent: String, device: String, driver: String = "device_dax",
        align: Int = 2 << 20, node: Int = 0, targetNode: Int? = nil
    ) throws -> String {
        let directory = parent + "/" + name
        try file(directory + "/align", "\(align)")
        try file(directory + "/size", "526385152")
        try file(directory + "/numa_node", "\(node)")
        try file(directory + "/target_node", "\(targetNode ?? node)")
        try self.driver(directory, driver, bus: "dax")
        try makeDirectory("/sys/bus/dax/devices")
        try link(directory + "/subsystem", to: "/sys/bus/dax")
        try link("/sys/dev/char/" + device, to: directory)
        try link("/sys/bus/dax/devices/" + name, to: directory)
        return directory
    }

    /// The libnvdimm device that claims a namespace for device DAX.
    func daxHolder(_ name: String, region: String, pageMap: String) throws -> String {
        let holder = region + "/" + name
        try file(holder + "/mode", pageMap)
        try file(holder + "/align", "2097152")
        try file(holder + "/namespace", "namespace0.0")
        try driver(holder, "dax_pmem", bus: "nd")
        return holder
    }

    /// A block device that is no persistent memory; with `file`, a loop device over it.
    @discardableResult
    func disk(_ name: String, device: String, file backing: String? = nil) throws -> String {
        let directory = "/sys/devices/virtual/block/" + name
        try file(directory + "/size", "131072")
        if let backing { try file(directory + "/loop/backing_file", backing) }
        try link("/sys/dev/block/" + device, to: directory)
        try link("/sys/class/block/" + name, to: directory)
        return directory
    }

    func mapper(_ number: Int, name: String, device: String, members: [String]) throws {
        let directory = "/sys/devices/virtual/block/dm-\(number)"
        try file(directory + "/dm/name", name)
        try file(directory + "/queue/dax", "1")
        try makeDirectory(directory + "/slaves")
        for member in members {
            let name = String(member.split(separator: "/").last ?? "")
            try link(directory + "/slaves/" + name, to: member)
        }
        try link("/sys/dev/block/" + device, to: directory)
        try link("/sys/class/block/dm-\(number)", to: directory)
    }
}
