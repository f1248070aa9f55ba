"""Builds what runs in the guest, and the QEMU plugin.

Swift programs are release builds with the standard library linked statically; what they still need
(libpmem and its company) is found with ldd when the initramfs is made. C programs and the plugin
go to the cache.
"""

import os
import subprocess
import sys

from packages import SetupError, find_program, run_quietly

WARNINGS = ["-O2", "-Wall", "-Wextra", "-Werror"]


def build_swift(root, products):
    """Paths of the built products by name."""
    if not find_program("swift"):
        raise SetupError("swift is not in PATH")
    common = ["swift", "build", "-c", "release", "--static-swift-stdlib",
              "--package-path", root, "--scratch-path", os.path.join(root, ".build-static")]
    for product in products:
        result = subprocess.run(
            [*common, "--product", product], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False)
        if result.returncode != 0:
            print(result.stdout, file=sys.stderr)
            raise SetupError(f"swift build of {product} failed")
    directory = run_quietly([*common, "--show-bin-path"]).splitlines()[-1]
    return {product: os.path.join(directory, product) for product in products}


def build_plugin(source, cache):
    """The plugin and its self-test program."""
    plugin = os.path.join(cache, "pmemtrace.so")
    selftest = os.path.join(cache, "pmemtrace-selftest")
    run_quietly(["gcc", *WARNINGS, "-fPIC", "-shared", "-fvisibility=hidden", "-o", plugin,
                 os.path.join(source, "pmemtrace.c")])
    run_quietly(["gcc", *WARNINGS, "-mavx", "-static", "-o", selftest,
                 os.path.join(source, "selftest.c")])
    return plugin, selftest
