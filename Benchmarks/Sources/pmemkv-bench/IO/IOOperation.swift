/// The operations of `pmemkv-bench io`.
enum IOOperation: String, Codable, CaseIterable, Sendable {
    case pread, pwrite
    case pwriteDsync = "pwrite-dsync"
    case pwriteFdatasync = "pwrite-fdatasync"
    case load
    case storeFlush = "store-flush"
    case ntStore = "nt-store"
    case msync
    case kvPutMapped = "kv-put-mapped"
    case kvPutSyscalls = "kv-put-syscalls"
    case kvGetMapped = "kv-get-mapped"
    case kvGetSyscalls = "kv-get-syscalls"
    case directRead = "odirect-into-mapping"
    case uringRegister = "uring-register"
    case uringRead = "uring-read-fixed"
    case processRead = "process-vm-readv"
    case faultFirst4K = "fault-4k-first"
    case faultRead4K = "fault-4k-read"
    case faultWrite4K = "fault-4k"
    case faultWrite2M = "fault-2m"
    case openPrefault = "open-prefault"

    var summary: String {
        switch self {
        case .pread: "pread(2) of a block"
        case .pwrite: "pwrite(2) of a block, nothing synced (fio's psync)"
        case .pwriteDsync: "pwritev2(2) with RWF_DSYNC"
        case .pwriteFdatasync: "pwrite(2) and fdatasync(2)"
        case .load: "copy from the mapping"
        case .storeFlush: "stores to the mapping, cache lines flushed, one fence"
        case .ntStore: "non-temporal stores to the mapping, one fence"
        case .msync: "stores to the mapping and msync(2) of their pages"
        case .kvPutMapped: "the store's put, mapped path; value of the block's size"
        case .kvPutSyscalls: "the store's put, read(2)/write(2) path"
        case .kvGetMapped: "the store's get, mapped path"
        case .kvGetSyscalls: "the store's get, read(2)/write(2) path"
        case .directRead: "O_DIRECT read of another file into the mapping (pins its pages)"
        case .uringRegister: "registering and releasing a block of the mapping with io_uring"
        case .uringRead: "io_uring read of another file into a registered buffer of the mapping"
        case .processRead: "process_vm_readv(2) from the mapping (pins its pages)"
        case .faultFirst4K: "first load of a 4 KiB page that no mapping of the file has touched yet"
        case .faultRead4K: "first load of a 4 KiB page in a fresh mapping"
        case .faultWrite4K: "first store to a 4 KiB page in a fresh mapping"
        case .faultWrite2M: "first store to a 2 MiB page in a fresh mapping"
        case .openPrefault: "open, map and populate the whole target"
        }
    }

    /// Operations whose cost depends on the block size.
    var usesBlocks: Bool {
        switch self {
        case .faultFirst4K, .faultRead4K, .faultWrite4K, .faultWrite2M, .openPrefault: false
        default: true
        }
    }

    /// Only meaningful for whole pages.
    var smallestBlock: Int {
        switch self {
        case .directRead, .uringRegister, .uringRead: 4096
        default: 1
        }
    }

    var needsFile: Bool {
        switch self {
        case .pread, .pwrite, .pwriteDsync, .pwriteFdatasync, .msync, .kvPutSyscalls,
            .kvGetSyscalls, .faultFirst4K:
            true
        default: false
        }
    }

    /// Uses a pool of its own in the target's directory.
    var needsStore: Bool { rawValue.hasPrefix("kv-") }

    var readsSource: Bool { self == .directRead || self == .uringRead }

    /// One thread only: they change the mapping under everybody.
    var isSingleThreaded: Bool {
        !usesBlocks || self == .uringRegister || self == .uringRead
    }

    /// The null control: on a kernel with the bypass, where struct page lies must not matter.
    var isNullControl: Bool { self == .pread || self == .pwrite }
}
