"""Builds the live patch that takes the usercopy bypass out of the guest's kernel."""

import os
import shutil

from packages import run_quietly

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build(context):
    """Path of checked_copy.ko for the guest's kernel; installs its headers when they are missing."""
    headers = "/usr/src/linux-headers-" + context.kernel.release
    if not os.path.exists(headers):
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run_quietly(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends",
             "linux-headers-" + context.kernel.release], env=environment)
    scratch = os.path.join(context.cache, "checked-copy")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(os.path.join(HERE, "checked-copy"), scratch)
    run_quietly(["make", "-C", scratch, "KERNEL=" + headers])
    return os.path.join(scratch, "checked_copy.ko")
