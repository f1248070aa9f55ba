"""The devices of the machine and the media built on them, with what the store must say of each.

The expectations restate the rules of docs/dax.md: MAP_SYNC accepted means flush and fence, refused
means msync, and a platform whose caches are inside the persistence domain needs the fence alone.
"""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Device:
    """One backing device. `kind` is nvdimm, virtio-pmem or disk; sizes in bytes."""
    name: str
    kind: str
    size: int


# In the order of their physical addresses, NVDIMMs first; guest/devices.sh relies on it.
DEVICES = [
    Device("fsdax-mem", "nvdimm", 192 * MIB),
    Device("fsdax-dev", "nvdimm", 192 * MIB),
    Device("devdax-4k", "nvdimm", 64 * MIB),
    Device("devdax-2m", "nvdimm", 64 * MIB),
    Device("xfs", "nvdimm", 512 * MIB),
    Device("dm-a", "nvdimm", 64 * MIB),
    Device("dm-b", "nvdimm", 64 * MIB),
    Device("mixed-a", "nvdimm", 64 * MIB),
    Device("virtio", "virtio-pmem", 128 * MIB),
    Device("mixed-b", "virtio-pmem", 64 * MIB),
    Device("disk", "disk", 192 * MIB),
]


@dataclass(frozen=True)
class Medium:
    """One place a pool can live on.

    `pool` is a shell word of the guest. `synchronous`: MAP_SYNC is accepted. `durable`: survives
    the end of the machine. `size` is the pool's size for `create`, None for devdax, which uses the
    whole device.
    """
    name: str
    pool: str
    synchronous: bool
    durable: bool = True
    size: str | None = "32MiB"
    kind: str = "fsdax-file"
    is_dax: bool = True
    needs_virtio: bool = False
    # What doctor must find below it: where struct page lies, of what the members are made.
    struct_page: str | None = "ram"
    backing: tuple = ("nvdimm",)
    alignment: int | None = 2 << 20

    @property
    def devdax(self):
        return self.size is None

    def strategy(self, automatic_flush):
        if not self.synchronous:
            return "msync"
        return "fence" if automatic_flush else "flush+fence"


MEDIA = [
    Medium("fsdax-mem", "/mnt/fsdax-mem/pool", True),
    Medium("fsdax-dev", "/mnt/fsdax-dev/pool", True, struct_page="pmem"),
    Medium("devdax-4k", "$DEVDAX_4K", True, size=None, kind="devdax", alignment=4096),
    Medium("devdax-2m", "$DEVDAX_2M", True, size=None, kind="devdax", struct_page="pmem"),
    Medium("xfs-dax", "/mnt/xfs-dax/pool", True),
    Medium("dm-sync", "/mnt/dm-sync/pool", True, backing=("nvdimm", "nvdimm")),
    Medium("dm-mixed", "/mnt/dm-mixed/pool", False, needs_virtio=True,
           backing=("nvdimm", "virtioPmem")),
    Medium("virtio-pmem", "/mnt/virtio-pmem/pool", False, needs_virtio=True,
           backing=("virtioPmem",), alignment=None),
    Medium("disk-ext4", "/mnt/disk-ext4/pool", False, kind="page-cache-file", is_dax=False,
           struct_page=None, backing=(), alignment=None),
    Medium("tmpfs", "/mnt/tmpfs/pool", False, durable=False, kind="memory-file",
           is_dax=False, struct_page=None, backing=(), alignment=None),
]


def by_name(name):
    return next(medium for medium in MEDIA if medium.name == name)


def available(with_virtio):
    return [medium for medium in MEDIA if with_virtio or not medium.needs_virtio]
