"""Debian packages the machine is made of, and the cache they are unpacked into.

Nothing binary is kept in the tree: the guest kernel is only downloaded and unpacked, never
installed, and everything derived from it lives under the user's cache directory.
"""

import glob
import lzma
import os
import re
import shutil
import struct
import subprocess

# Program looked for, and the package that brings it.
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "ndctl": "ndctl",
    "daxctl": "daxctl",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "dmsetup": "dmsetup",
    "gcc": "gcc",
    "strip": "binutils",
}
# Files that show a library or header package is there.
FILES = {"/usr/include/libpmem.h": "libpmem-dev", "/usr/include/zlib.h": "zlib1g-dev",
         "/usr/include/stdio.h": "libc6-dev"}
KERNEL = re.compile(r"^linux-image-6\.1\.0-(\d+)-amd64$")


class SetupError(Exception):
    """The machine cannot be built here; the message says why."""


def cache_directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "pmemkv-dax-vm")
    os.makedirs(path, exist_ok=True)
    return path


def find_program(name):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return shutil.which(name, path=path)


def run_quietly(command, **options):
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, **options)
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise SetupError(f"{' '.join(command)}: exit {result.returncode}\n{tail}")
    return result.stdout


def ensure_packages():
    """Installs what is missing with apt-get; says so when it may not."""
    missing = [package for name, package in PROGRAMS.items() if not find_program(name)]
    missing += [package for path, package in FILES.items() if not os.path.exists(path)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise SetupError("missing packages, install them first: " + " ".join(missing))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run_quietly(["apt-get", "update", "-qq"], env=environment)
    run_quietly(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        env=environment)


def newest_kernel_package():
    names = run_quietly(["apt-cache", "pkgnames", "linux-image-6.1.0-"]).split()
    found = [(int(match.group(1)), name) for name in names if (match := KERNEL.match(name))]
    if not found:
        run_quietly(["apt-get", "update", "-qq"])
        names = run_quietly(["apt-cache", "pkgnames", "linux-image-6.1.0-"]).split()
        found = [(int(match.group(1)), name) for name in names if (match := KERNEL.match(name))]
    if not found:
        raise SetupError("no linux-image-6.1.0-*-amd64 package is known to apt")
    return max(found)[1]


class Kernel:
    """An unpacked guest kernel: its ELF image, its release and its modules."""

    def __init__(self, image, release, modules):
        self.image = image
        self.release = release
        self.modules = modules

    def module_files(self, names):
        """Paths of the modules and all they depend on, dependencies first."""
        dependencies, paths = {}, {}
        with open(os.path.join(self.modules, "modules.dep"), encoding="utf-8") as table:
            for line in table:
                path, _, needs = line.strip().partition(":")
                name = os.path.basename(path).removesuffix(".ko").replace("-", "_")
                dependencies[name] = needs.split()
                paths[name] = path
        ordered = []
        for name in names:
            if name not in paths:
                raise SetupError(f"the kernel has no module {name}")
            # modules.dep lists the whole closure, the deepest dependency last.
            for path in [*reversed(dependencies[name]), paths[name]]:
                if path not in ordered:
                    ordered.append(path)
        return ordered


def extract_vmlinux(vmlinuz, destination):
    """Takes the ELF kernel out of a bzImage.

    QEMU starts the ELF through its PVH entry, which saves unpacking XZ under emulation: two
    seconds from power-on to the first process instead of ten, and no address randomisation.
    """
    with open(vmlinuz, "rb") as file:
        image = file.read()
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload[:6] != b"\xfd7zXZ\x00":
        raise SetupError(f"{vmlinuz}: the kernel is not XZ-compressed")
    elf = lzma.LZMADecompressor().decompress(payload)
    if elf[:4] != b"\x7fELF":
        raise SetupError(f"{vmlinuz}: no ELF image inside")
    with open(destination + ".new", "wb") as file:
        file.write(elf)
    os.replace(destination + ".new", destination)


def prepare_kernel(cache):
    """The cached kernel, or the newest one Debian has, unpacked into the cache."""
    root = os.path.join(cache, "kernel")
    ready = os.path.join(root, "ready")
    if not os.path.exists(ready):
        package = newest_kernel_package()
        shutil.rmtree(root, ignore_errors=True)
        downloads = os.path.join(cache, "download")
        shutil.rmtree(downloads, ignore_errors=True)
        os.makedirs(downloads)
        run_quietly(["apt-get", "download", package], cwd=downloads)
        archive = glob.glob(os.path.join(downloads, "*.deb"))[0]
        run_quietly(["dpkg", "-x", archive, root])
        shutil.rmtree(downloads)
        release = package.removeprefix("linux-image-")
        extract_vmlinux(
            os.path.join(root, "boot", "vmlinuz-" + release), os.path.join(root, "vmlinux"))
        run_quietly([find_program("depmod"), "-b", root, release])
        with open(ready, "w", encoding="utf-8") as file:
            file.write(release)
    with open(ready, encoding="utf-8") as file:
        release = file.read()
    return Kernel(
        os.path.join(root, "vmlinux"), release,
        os.path.join(root, "lib", "modules", release))
