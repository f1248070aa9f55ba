// Which places a store is refused at. A place is refused when it cannot hold a store (a
// directory, a block device), or when it would accept one and lose it: device DAX whose memory
// is volatile, has no way to flush, or cannot be shown to be persistent.

import SystemPackage

extension PlaceFacts {
    /// Why a store cannot be created or opened here; nil when nothing is against it.
    ///
    /// A missing file in an existing directory is not refused: it can be created. Memory file
    /// systems are not refused either; what they promise is `isVolatile`.
    package var refusal: Refusal? {
        if isKernelInterface { return interfaceRefusal }
        return switch kind {
        case .regularFile: nil
        case .missing: missingRefusal
        case .directory, .mountPoint:
            Refusal(
                reason: "\(path) is a directory",
                remedy: "name a file inside it, such as \(path.withSlash)store.pool")
        case .blockDevice: blockRefusal
        case .devdax: devices.first.flatMap(devdaxRefusal)
        case .other:
            Refusal(
                reason: "\(path) is neither a file nor a device-DAX device",
                remedy: "name a file")
        }
    }

    private var missingRefusal: Refusal? {
        if path.isEmpty { return Refusal(reason: "the path is empty", remedy: "name a file") }
        if let linkTarget {
            return Refusal(
                reason: "\(path) is a symbolic link to \(linkTarget), which cannot be followed",
                remedy: "name the file itself, or remove the link: rm \(path.shellWord)")
        }
        if fileSystem == "devtmpfs" {
            return Refusal(
                reason: "\(path) does not exist, and a file in its place would be no device",
                remedy: daxDevices.isEmpty
                    ? "name a file: this machine has no device-DAX device"
                    : "the device-DAX devices of this machine: \(daxDevices.joined(separator: " "))"
            )
        }
        return status == nil ? unseenRefusal : nil
    }

    /// The path could not be looked at, and neither could the directory it would be in.
    private var unseenRefusal: Refusal {
        let obstacle = lastSeen ?? parentPath
        switch failure {
        case .permissionDenied:
            return Refusal(
                reason: "\(path) cannot be looked at: permission denied in \(obstacle)",
                remedy: "run as a user who may enter \(obstacle), or name a file elsewhere")
        case .noSuchFileOrDirectory:
            return Refusal(
                reason: "neither \(path) nor the directory \(parentPath) exists",
                remedy: "check the spelling, or make the directory: "
                    + "mkdir -p \(parentPath.shellWord)")
        case .notDirectory:
            return Refusal(
                reason: "\(path) cannot exist: \(obstacle) is no directory",
                remedy: "name \(obstacle) itself, or a file in a directory")
        case .fileNameTooLong:
            return Refusal(
                reason: "\(path) is too long for a path",
                remedy: "keep each name below 256 bytes, and the path below 4096")
        default:
            return Refusal(
                reason: "\(path) cannot be looked at: \(failure?.description ?? "unknown error")",
                remedy: "name a file elsewhere")
        }
    }

    private var interfaceRefusal: Refusal {
        Refusal(
            reason: "\(path) lies on \(fileSystem ?? "a kernel interface"), which holds no data",
            remedy: "name a file on the file system of a disk or of persistent memory")
    }

    private var blockRefusal: Refusal {
        guard let device = devices.first, block?.members.isEmpty == true else {
            return Refusal(
                reason: "\(path) is a block device, which cannot be mapped as memory",
                remedy: ordinaryBlockRemedy)
        }
        let word = path.shellWord
        let format = "mkfs.ext4 -b 4096 \(word) && mount -o dax=always \(word) DIRECTORY"
        let remedy =
            if device.mode == "raw" || device.mode == "sector" {
                "\(device.recreate("-m fsdax")), which erases it; then make a file system on it"
            } else if device.isAsynchronous {
                "\(format) and name a file there"
            } else {
                "\(format) and name a file there, or turn the namespace into device DAX, which "
                    + "erases it: \(device.recreate("-m devdax"))"
            }
        return Refusal(
            reason: "\(path) is a block device, which cannot be mapped as memory", remedy: remedy)
    }

    private var ordinaryBlockRemedy: String {
        if block?.wholeName.number(after: "loop") != nil {
            return "name a file: a loop device is no more than one"
        }
        return switch permanence {
        case .volatile: "name a file elsewhere: a file system on \(path) would be volatile, too"
        case .lasting, .unknown:
            "name a file on a mounted file system; to make one on \(path) erases it"
        }
    }

    private func devdaxRefusal(_ device: PmemDevice) -> Refusal? {
        if device.isDisabled {
            return Refusal(
                reason: "\(device.name) is disabled: no driver is bound to it",
                remedy: "daxctl enable-device \(device.name)")
        }
        // What forgets is no place for a store in any mode.
        return (device.isVolatile ? nil : modeRefusal(device)) ?? backingRefusal(device)
    }

    private func modeRefusal(_ device: PmemDevice) -> Refusal? {
        guard device.isSystemRAM else { return nil }
        return Refusal(
            reason: "\(device.name) is in system-ram mode: the kernel uses it as ordinary memory",
            remedy: "daxctl reconfigure-device --mode=devdax --force \(device.name)")
    }

    private func backingRefusal(_ device: PmemDevice) -> Refusal? {
        let persistent =
            "use a device on an NVDIMM or CXL persistent-memory region "
            + "(ndctl list -R shows them), or a file"
        switch device.backing {
        case .nvdimm, .legacyE820: return nil
        case .specificPurpose:
            return Refusal(
                reason: "\(device.name) is volatile: specific-purpose memory (EFI_MEMORY_SP, "
                    + "dax_hmem) loses its content with power",
                remedy: persistent)
        case .cxlVolatile:
            return Refusal(
                reason: "\(device.name) is volatile: it is CXL memory in ram mode",
                remedy: persistent)
        case .volatileRegion:
            return Refusal(
                reason: "\(device.name) is volatile: \(device.region ?? "its region") says so",
                remedy: persistent)
        case .virtioPmem:
            return Refusal(
                reason: "\(device.name) is device DAX on virtio-pmem: a store reaches the host's "
                    + "file only through fsync, which device DAX does not have",
                remedy: "use fsdax and a file (this erases the namespace): "
                    + device.recreate("-m fsdax"))
        case .unknown:
            return Refusal(
                reason: "\(device.name) cannot be shown to be persistent: sysfs names no "
                    + "persistent-memory region above it",
                remedy: "make sure /sys is mounted; \(persistent)")
        }
    }
}

extension PmemDevice {
    /// Where a command takes a namespace and sysfs does not tell which: "all" would be all of the
    /// machine's.
    static let namingNamespace = "ndctl list -N names the namespace"

    /// The command that makes the namespace below the device anew; that erases it.
    func recreate(_ options: String) -> String {
        guard let namespace else { return Self.namingNamespace + " to make anew" }
        return "ndctl create-namespace -f -e \(namespace) \(options)"
    }
}

extension String {
    /// The path with exactly one slash at its end.
    var withSlash: String { hasSuffix("/") ? self : self + "/" }
}
