"""Builds the guest's file tree as a newc cpio archive, uncompressed for a quick boot.

The kernel unpacks concatenated archives one after the other, so the large part is built once a run
and each boot only adds a small archive with its job.
"""

import os
import re
import stat
import subprocess

from packages import SetupError, find_program


class Archive:
    """A cpio archive under construction; parents are made before their children."""

    def __init__(self):
        self.entries = []
        self.known = set()

    def directory(self, path):
        path = path.strip("/")
        if path in self.known or not path:
            return
        self.directory(os.path.dirname(path))
        self.known.add(path)
        self.entries.append((path, stat.S_IFDIR | 0o755, b"", 0, 0))

    def text(self, path, content, mode=0o755):
        self.data(path, content.encode(), mode)

    def data(self, path, content, mode=0o755):
        path = path.strip("/")
        if path in self.known:
            return
        self.directory(os.path.dirname(path))
        self.known.add(path)
        self.entries.append((path, stat.S_IFREG | mode, content, 0, 0))

    def link(self, path, target):
        path = path.strip("/")
        if path in self.known:
            return
        self.directory(os.path.dirname(path))
        self.known.add(path)
        self.entries.append((path, stat.S_IFLNK | 0o777, target.encode(), 0, 0))

    def device(self, path, major, minor):
        path = path.strip("/")
        self.directory(os.path.dirname(path))
        self.known.add(path)
        self.entries.append((path, stat.S_IFCHR | 0o600, b"", major, minor))

    def file(self, path, source, strip=False):
        if path.strip("/") in self.known:
            return
        if strip:
            scratch = f"/tmp/pmemkv-dax-vm-strip.{os.getpid()}"
            subprocess.run([find_program("strip"), "-o", scratch, source], check=True)
            source = scratch
        with open(source, "rb") as content:
            self.data(path, content.read())
        if strip:
            os.unlink(source)

    def program(self, path, source, strip=False):
        """A program with every library the loader would look for."""
        self.file(path, source, strip)
        listing = subprocess.run(["ldd", source], capture_output=True, text=True, check=False)
        if "not found" in listing.stdout:
            raise SetupError(f"{source} misses a library:\n{listing.stdout}")
        for library in re.findall(r"(/\S+) \(0x", listing.stdout):
            self.file(library, os.path.realpath(library))

    def write(self, destination):
        with open(destination, "wb") as output:
            number = 0
            for number, entry in enumerate([*self.entries, ("TRAILER!!!", 0, b"", 0, 0)], 1):
                write_entry(output, number, *entry)
            output.write(b"\0" * (-output.tell() % 512))


def write_entry(output, number, path, mode, content, major, minor):
    name = path.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name), 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    output.write(header + name)
    output.write(b"\0" * (-output.tell() % 4))
    output.write(content)
    output.write(b"\0" * (-output.tell() % 4))


# In this order: NVDIMM regions take their numbers before those of virtio-pmem.
MODULES = [
    "libnvdimm", "nfit", "nd_pmem", "dax_pmem", "device_dax",
    "virtio_pci", "virtio_blk", "virtio_pmem",
    "crc32c_generic", "crc32c_intel", "ext4", "xfs", "dm_mod",
    "loop", "overlay", "brd", "zram",
]


def build_base(kernel, guest_directory, programs, destination):
    """The archive every boot shares. `programs` maps guest paths to host paths."""
    archive = Archive()
    for path in ["proc", "sys", "dev", "tmp", "run", "mnt", "etc", "root", "vm"]:
        archive.directory(path)
    archive.device("dev/console", 5, 1)
    archive.device("dev/null", 1, 3)
    busybox = find_program("busybox")
    archive.program("bin/busybox", busybox)
    # Real tools go first, so that no busybox applet of the same name shadows them.
    for name in ["ndctl", "daxctl", "mkfs.ext4", "mkfs.xfs", "dmsetup"]:
        archive.program("bin/" + name, os.path.realpath(find_program(name)))
    for path, source in programs.items():
        archive.program(path, source, strip=True)
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in applets.stdout.split():
        archive.link("bin/" + applet, "busybox")
    modules = kernel.module_files(MODULES)
    for module in modules:
        archive.file("vm/modules/" + os.path.basename(module),
                     os.path.join(kernel.modules, module))
    archive.text("vm/modules.list", "".join(os.path.basename(m) + "\n" for m in modules))
    for name in sorted(os.listdir(guest_directory)):
        target = "init" if name == "init" else "vm/" + name
        archive.file(target, os.path.join(guest_directory, name))
    archive.text("etc/mtab", "")
    archive.write(destination)


def build_job(files, destination):
    """A small archive with what one boot is to do; paths are relative to /job."""
    archive = Archive()
    for path, content in files.items():
        archive.text("job/" + path, content)
    archive.write(destination)
