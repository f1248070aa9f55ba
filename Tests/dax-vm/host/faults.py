"""Faults of real media under an open store, in one boot; the store's answers are checked inside
(torture/Fault.swift)."""

from machine import run_job
from media import by_name

# What happens where. Kinds that spoil a medium for good come last on it.
PLAN = [
    ("fsdax-mem", "poison-read"), ("fsdax-dev", "poison-read"), ("xfs-dax", "poison-read"),
    ("devdax-4k", "poison-read"), ("devdax-2m", "poison-read"), ("virtio-pmem", "poison-read"),
    ("fsdax-mem", "poison-write"), ("devdax-4k", "poison-write"), ("virtio-pmem", "poison-write"),
    ("fsdax-mem", "truncate"), ("xfs-dax", "truncate"), ("virtio-pmem", "truncate"),
    ("disk-ext4", "truncate"), ("dm-sync", "truncate"),
    ("devdax-4k", "disable"), ("devdax-2m", "disable"),
    ("fsdax-dev", "badblocks"), ("fsdax-mem", "badblocks"),
    ("disk-ext4", "io-error"), ("disk-ext4", "io-error+rw"),
]
REGION = {"devdax-4k": "$R2", "devdax-2m": "$R3", "fsdax-mem": "$R0", "fsdax-dev": "$R1"}


def script(plan):
    lines = []
    for name, kind in plan:
        medium = by_name(name)
        pool = medium.pool if medium.devdax else f"{medium.pool}.{kind}"
        create = "--force" if medium.devdax else "--size 16MiB"
        # A poisoned page takes its whole block of a 2 MiB devdax along.
        extra = "keys=400 lost-block=2097152" if name == "devdax-2m" else ""
        if kind == "disable":
            extra += f' namespace="namespace{REGION[name]}.0"'
        elif kind == "badblocks":
            extra += f' block="pmem{REGION[name]}"'
        elif kind == "io-error":
            lines.append("sh /vm/io_error.sh setup || fail disk-ext4 setup io_error.sh")
        elif kind == "io-error+rw":
            extra = "io=syscalls"
        if not medium.devdax:
            lines.append(f'rm -f "{pool}"')
        lines += [
            f'check {name} create-{kind} pmemkv create "{pool}" {create}',
            f'pmemkv-torture fault medium={name} pool="{pool}" '
            f'kind={kind.removesuffix("+rw")} {extra}',
            f"echo '@end {name} {kind} '$?"]
    return "\n".join(lines) + "\n"


def run(context):
    plan = [(name, kind) for name, kind in PLAN if context.wants(name)]
    ended = set()

    def on_line(line):
        words = line.split()
        if words[:1] == ["@end"] and len(words) == 4:
            ended.add((words[1], words[2]))
            if words[3] != "0":
                context.report.add(words[1], words[2] + "-process", False,
                                   f"the process ended with {words[3]}")

    with context.boot("faults", script(plan)) as machine:
        run_job(machine, context.report, context.options.timeout, on_line=on_line)
    for name, kind in plan:
        if (name, kind) not in ended:
            context.report.add(name, kind, False, "did not come to its end")
