"""Command line of Tests/dax-vm/run: prepares the machine, runs the parts, prints the result."""

import argparse
import os
import shutil
import sys
import tempfile
import time

from initramfs import build_base, build_job
from machine import Machine, MachineError, check_qemu, create_images, run_job
from media import MEDIA
from packages import SetupError, cache_directory, ensure_packages, prepare_kernel
from report import Report

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))


class Context:
    """What every part needs: kernel, archives, images, scratch directory, report, options."""

    def __init__(self, options, report):
        self.options = options
        self.report = report
        self.cache = cache_directory()
        self.directory = tempfile.mkdtemp(prefix="pmemkv-dax-vm.")
        self.images = os.path.join(self.directory, "images")
        self.base = os.path.join(self.directory, "base.cpio")
        self.kernel = None
        self.formatted = False

    def prepare(self, programs):
        check_qemu()
        self.kernel = prepare_kernel(self.cache)
        build_base(self.kernel, os.path.join(HERE, "guest"), programs, self.base)
        create_images(self.images)

    def boot(self, name, script, files=None, with_virtio=True, **options):
        """Starts a machine whose job is `script`; the first boot formats the devices."""
        environment = f"FORMAT={0 if self.formatted else 1}\nVIRTIO={int(with_virtio)}\n"
        job = os.path.join(self.directory, name + ".cpio")
        build_job({"env": environment, "main": script, **(files or {})}, job)
        self.formatted = True
        return Machine(
            self.kernel, [self.base, job], self.images, self.directory, name=name,
            with_virtio=with_virtio, **options)

    def clean(self):
        if self.options.keep:
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def shell(context):
    """`--shell`: runs one command list in the machine; its output and exit code are ours."""
    with context.boot("shell", context.options.shell + "\n") as machine:
        return run_job(machine, context.report, context.options.timeout, on_line=print)


def parse():
    parser = argparse.ArgumentParser(prog="Tests/dax-vm/run", description=__doc__)
    parser.add_argument("--shell", metavar="COMMANDS",
                        help="run a command list in the machine; give back output and exit code")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a boot may take")
    parser.add_argument("--keep", action="store_true", help="keep images and logs, say where")
    return parser.parse_args()


def main():
    options = parse()
    report = Report(sys.stderr if options.shell else sys.stdout)
    context = None
    try:
        ensure_packages()
        context = Context(options, report)
        context.prepare({})
        if options.shell:
            return shell(context)
    except (SetupError, MachineError) as error:
        report.add("machine", "setup", False, str(error))
    finally:
        if context:
            context.clean()
    known = [medium.name for medium in MEDIA]
    print(report.table(known))
    print(report.summary(known))
    return 1 if report.failed else 0


if __name__ == "__main__":
    started = time.monotonic()
    sys.exit(main())
