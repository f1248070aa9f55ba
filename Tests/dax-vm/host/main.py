"""Command line of Tests/dax-vm/run: prepares the machine, runs the parts, prints the result."""

import argparse
import os
import shutil
import sys
import tempfile
import time

import counts
import faults
import places
import powercut
import suite
import trace
from build import build_plugin, build_swift
from initramfs import build_base, build_job
from machine import Machine, MachineError, check_qemu, create_images, run_job
from media import MEDIA
from packages import SetupError, cache_directory, ensure_packages, prepare_kernel
from report import Report

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = {
    "suite": suite.run, "eadr": suite.run_eadr, "cuts": powercut.run, "trace": trace.run,
    "faults": faults.run, "places": places.run,
}

# Not checks but measurements; only when asked for with --only.
ON_REQUEST = {"counts": counts.run}


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
        self.plugin = None
        self.formatted = False

    def wants(self, medium):
        return not self.options.media or medium in self.options.media

    def prepare(self):
        """Builds everything and makes fresh images."""
        check_qemu()
        self.kernel = prepare_kernel(self.cache)
        self.plugin, selftest = build_plugin(os.path.join(HERE, "plugin"), self.cache)
        programs = {"bin/pmemtrace-selftest": selftest}
        if self.options.binaries:
            for name in ["pmemkv", "pmemkv-torture"]:
                programs["bin/" + name] = os.path.join(self.options.binaries, name)
        else:
            for name, path in build_swift(ROOT, ["pmemkv", "pmemkv-torture"]).items():
                programs["bin/" + name] = path
        for extra in self.options.add:
            programs["bin/" + os.path.basename(extra)] = extra
        build_base(self.kernel, os.path.join(HERE, "guest"), programs, self.base)
        create_images(self.images)

    def boot(self, name, script, with_virtio=True, **options):
        """Starts a machine whose job is `script`, with devices that an earlier boot formatted."""
        if not self.formatted:
            self.formatted = True
            with self.start("format", "", "FORMAT=1\nVIRTIO=1\n") as machine:
                if run_job(machine, self.report, self.options.timeout) != 0:
                    raise MachineError(f"the devices could not be formatted\n{machine.tail()}")
        environment = f"FORMAT=0\nVIRTIO={int(with_virtio)}\n"
        return self.start(name, script, environment, with_virtio=with_virtio, **options)

    def start(self, name, script, environment, archives=(), **options):
        job = os.path.join(self.directory, name + ".cpio")
        build_job({"env": environment, "main": script}, job)
        return Machine(
            self.kernel, [self.base, *archives, job], self.images, self.directory,
            name=name, **options)

    def clean(self):
        if self.options.keep:
            print(f"kept: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def shell(context):
    """`--shell`: runs one command list in the machine; its output and exit code are ours."""
    with context.boot("shell", context.options.shell + "\n") as machine:
        return run_job(machine, context.report, context.options.timeout, on_line=print)


def run_parts(context):
    for name in context.options.only or PARTS:
        started = time.monotonic()
        try:
            (PARTS | ON_REQUEST)[name](context)
        except MachineError as error:
            context.report.add("machine", name, False, str(error))
        seconds = time.monotonic() - started
        context.report.note(f"part {name}: {seconds:.0f} s, {context.report.failed} failed so far")


def parse():
    parser = argparse.ArgumentParser(prog="Tests/dax-vm/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="power cuts (default 10)")
    parser.add_argument("--seed", type=int, help="seed of the cuts' times (default: random)")
    parser.add_argument("--only", action="append", choices=[*PARTS, *ON_REQUEST], metavar="PART",
                        help="run this part; repeat for several: "
                        + ", ".join([*PARTS, *ON_REQUEST]))
    parser.add_argument("--media", action="append", metavar="NAME",
                        help="use this medium only; repeat for several")
    parser.add_argument("--binaries", metavar="DIR",
                        help="take pmemkv and pmemkv-torture from DIR instead of building them")
    parser.add_argument("--add", action="append", default=[], metavar="PROGRAM",
                        help="put another program of the host into the machine's /bin")
    parser.add_argument("--shell", metavar="COMMANDS",
                        help="run a command list in the machine; give back output and exit code")
    parser.add_argument("--checked-copy", action="store_true",
                        help="with --only counts: also without the kernel's usercopy bypass")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a boot may take")
    parser.add_argument("--keep", action="store_true", help="keep images and logs, say where")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = int(time.time())
    return options


def main():
    options = parse()
    report = Report(sys.stderr if options.shell else sys.stdout)
    started = time.monotonic()
    context = None
    try:
        ensure_packages()
        context = Context(options, report)
        context.prepare()
        if options.shell:
            return shell(context)
        report.note(f"prepared in {time.monotonic() - started:.0f} s; seed {options.seed}")
        run_parts(context)
    except (SetupError, MachineError) as error:
        report.add("machine", "setup", False, str(error))
    finally:
        if context:
            context.clean()
    known = [medium.name for medium in MEDIA]
    print("\n" + report.table(known) + "\n")
    print(report.summary(known))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
