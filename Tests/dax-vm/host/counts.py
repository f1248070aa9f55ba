"""Exact counts per operation: instructions, and accesses to struct pages of the device.

Times mean nothing under emulation, counts do. `pmemkv-bench io --count-operations` runs each
operation between marks; the plugin counts loads and stores in three ranges: the struct pages of the
device's data by kernel address, the part of the device where they lie (map=dev only), and the data
itself. One boot for each setting of hardened_usercopy and, with --checked-copy, once more with the
usercopy check put back in front of the kernel's DAX copies.
"""

import json
import os
import re
import subprocess

import checked_copy
from initramfs import Archive
from machine import run_job
from packages import SetupError

# struct page of frame N is at a fixed address only without KASLR and with four-level page tables.
APPEND = "nokaslr no5lvl"
CPU = "max,la57=off"
OPERATIONS = 200
# Name of the target, its path in the guest, and the emulator's device.
TARGETS = [
    ("fsdax-mem", "/mnt/fsdax-mem", "fsdax-mem"), ("fsdax-dev", "/mnt/fsdax-dev", "fsdax-dev"),
    ("devdax-mem", "$DEVDAX_4K", "devdax-4k"), ("devdax-dev", "$DEVDAX_2M", "devdax-2m"),
]
RANGES = ["struct pages", "their place on the device", "data"]


def build_bench(root):
    """A static build of the benchmark program without the stores it is compared with."""
    package = os.path.join(root, "Benchmarks")
    command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--package-path", package,
               "--scratch-path", os.path.join(package, ".build-static"), "--manifest-cache", "none"]
    environment = {**os.environ, "PMEMKV_BENCH_PEERS": "none"}
    result = subprocess.run(
        [*command, "--product", "pmemkv-bench"], stdin=subprocess.DEVNULL, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        raise SetupError(f"swift build of pmemkv-bench failed\n{result.stdout}")
    shown = subprocess.run([*command, "--show-bin-path"], env=environment, capture_output=True,
                           text=True, check=True)
    return os.path.join(shown.stdout.splitlines()[-1], "pmemkv-bench")


def script(with_check):
    load = """
insmod /vm/checked_copy.ko || exit 1
while [ "$(cat /sys/kernel/livepatch/checked_copy/transition)" != 0 ]; do sleep 0.1; done
""" if with_check else ""
    targets = " ".join(f"{name}={path}" for name, path, _ in TARGETS)
    return f"""{load}
echo '@wait ramblock'
read -r addresses </dev/ttyS1
read -r go </dev/ttyS1
words=
for address in $addresses; do words="$words --emulator-address $address"; done
pmemkv-bench io --count-operations --counted-operations {OPERATIONS} --overwrite --size 32 \
--blocks 64,4096 --source /mnt/disk-ext4 $words {targets}
"""


def emulator_addresses(machine):
    """Where QEMU keeps each target's device, as its plugin interface will call it."""
    text = machine.monitor("info ramblock")
    offsets = dict(re.findall(r"m-([\w-]+)\s+\d+ \w+\s+0x([0-9a-f]+)", text))
    return " ".join(f"{name}={offsets[device]}" for name, _, device in TARGETS)


def boot(context, program, module, usercopy, with_check):
    """One machine; gives back the guest's lines and the plugin's counters by phase."""
    name = f"counts-{usercopy}-{'checked' if with_check else 'stock'}"
    archive = Archive()
    archive.program("bin/pmemkv-bench", program, strip=True)
    if with_check:
        archive.file("vm/checked_copy.ko", module)
    extra = os.path.join(context.directory, name + ".bench.cpio")
    archive.write(extra)
    out = os.path.join(context.directory, name + ".trace")
    lines = []
    with context.boot(
            name, script(with_check), processors=1, plugin=f"{context.plugin},out={out}", cpu=CPU,
            append=f"{APPEND} hardened_usercopy={usercopy}", archives=[extra]) as machine:
        run_job(machine, context.report, max(1800, context.options.timeout),
                on_line=lines.append,
                on_wait=lambda _: machine.send(emulator_addresses(machine)))
        machine.process.wait(60)
    return lines, parse(out)


def parse(path):
    """Counters by phase: instructions, and per range id loads and stores."""
    phases = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            kind, *words = line.split()
            values = dict(word.split("=", 1) for word in words)
            if kind == "phase":
                phases[values["name"]] = {
                    "user": int(values["user"]), "kernel": int(values["kernel"]), "ranges": {}}
            elif kind == "range":
                phases[values["phase"]]["ranges"][int(values["id"])] = (
                    int(values["loads"]), int(values["stores"]))
    return phases


def rows(lines, phases, usercopy, with_check):
    """One row for each counted phase: everything per operation."""
    result = []
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind not in ("counted", "skipped"):
            continue
        values = dict(word.split("=", 1) for word in rest.split() if "=" in word)
        target, _, operation = values["name"].partition(".")
        row = {"target": target, "operation": operation, "hardened_usercopy": usercopy,
               "kernel": "check put back" if with_check else "stock"}
        if kind == "skipped":
            result.append({**row, "skipped": rest.partition("reason=")[2]})
            continue
        count, phase = int(values["operations"]), phases[values["name"]]
        row |= {"operations": count, "user instructions": phase["user"] / count,
                "kernel instructions": phase["kernel"] / count}
        for number, (loads, stores) in phase["ranges"].items():
            row[RANGES[number]] = {"loads": loads / count, "stores": stores / count}
        result.append(row)
    return result


def pair(row, key):
    counts = row.get(key)
    return "-" if counts is None else f"{counts['loads']:.1f} / {counts['stores']:.1f}"


def table(found, usercopy, kernel):
    """Struct-page loads and stores of each operation on each target, and kernel instructions."""
    chosen = [row for row in found
              if row["hardened_usercopy"] == usercopy and row["kernel"] == kernel]
    names = [name for name, _, _ in TARGETS]
    lines = ["| operation | " + " | ".join(names) + " | of these on the device (fsdax-dev) "
             "| kernel instructions (fsdax-mem) | user instructions |",
             "|---|" + "---|" * (len(names) + 3)]
    for operation in dict.fromkeys(row["operation"] for row in chosen):
        by_target = {row["target"]: row for row in chosen if row["operation"] == operation}
        cells = [pair(by_target.get(name, {}), RANGES[0]) for name in names]
        cells.append(pair(by_target.get("fsdax-dev", {}), RANGES[1]))
        first = next((row for row in by_target.values() if "skipped" not in row), None)
        cells += ["-", "-"] if first is None else [
            f"{first['kernel instructions']:.0f}", f"{first['user instructions']:.0f}"]
        lines.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def check(report, found):
    """The null control: with the bypass, read(2) and write(2) touch no struct page at all."""
    for row in found:
        name = row["operation"].split(".")[0]
        if "skipped" in row or not row["target"].startswith("fsdax") \
                or name not in ("pread", "pwrite"):
            continue
        counts = row[RANGES[0]]
        touched = counts["loads"] + counts["stores"]
        expected = row["kernel"] != "stock" and row["hardened_usercopy"] == "on"
        report.check(
            row["target"],
            f"{row['operation']}-{row['kernel'].replace(' ', '-')}-{row['hardened_usercopy']}",
            (touched >= 1) == expected, f"struct pages touched: {counts}")


def run(context):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))))
    program = build_bench(root)
    kinds = [("on", False), ("off", False)]
    module = None
    if context.options.checked_copy:
        module = checked_copy.build(context)
        kinds += [("on", True), ("off", True)]
    found = []
    for usercopy, with_check in kinds:
        lines, phases = boot(context, program, module, usercopy, with_check)
        for line in lines:
            if line.partition(" ")[0] == "target" and (usercopy, with_check) == kinds[0]:
                context.report.note(line)
        found += rows(lines, phases, usercopy, with_check)
    check(context.report, found)
    for usercopy, with_check in kinds:
        kernel = "check put back" if with_check else "stock"
        context.report.note(
            f"\nkernel: {kernel}, hardened_usercopy={usercopy}; struct-page loads / stores per "
            f"operation\n\n" + table(found, usercopy, kernel))
    destination = os.path.join(context.cache, "counts.json")
    with open(destination, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)
    context.report.note(f"\nwritten to {destination}")
