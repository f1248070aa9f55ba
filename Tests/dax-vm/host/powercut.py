"""Power cuts: QEMU is killed while every medium acknowledges writes, then booted on its images.

One boot verifies what the previous cut left and then writes on, so N cuts cost N + 1 boots. An
acknowledgement counts when its line has arrived here; each medium's pool must then hold exactly
the first N operations of each lane, or N + 1 where one was under way.
"""

import random
import time

from machine import MachineError
from media import MEDIA

LANES = 4
POOL_BYTES = 16 << 20


class Target:
    """One pool under test and the operations it has acknowledged, by lane."""

    def __init__(self, medium, name, pool, io, seed):
        self.seed = seed
        self.medium = medium
        self.name = name
        self.pool = pool
        self.io = io
        self.counts = [0] * LANES
        self.created = False
        self.verified = self.acknowledged = False
        self.failures = []


def targets(context):
    """Every durable medium through its mapping, and two of them through read(2) and write(2)."""
    found = []
    for medium in MEDIA:
        if not medium.durable or not context.wants(medium.name):
            continue
        pool = medium.pool if medium.devdax else medium.pool + ".cut"
        found.append(Target(medium, medium.name, pool, "auto", 1000 + len(found)))
        if medium.name in ("disk-ext4", "fsdax-mem"):
            found.append(Target(medium, medium.name + "+rw", medium.pool + ".rw", "syscalls",
                                1000 + len(found)))
    return found


def script(found, mode, number):
    lines = []
    for target in found:
        create = ""
        if not target.created:
            if target.medium.devdax:
                lines.append(f'pmemkv create "{target.pool}" --force || echo "@fail '
                             f'{target.name} cut-create devdax"')
            else:
                create = f"create={POOL_BYTES}"
                lines.append(f'rm -f "{target.pool}"')
        counts = ",".join(map(str, target.counts))
        lines.append(
            f'pmemkv-torture cut medium={target.name} pool="{target.pool}" io={target.io} '
            f"seed={target.seed} counts={counts} mode={mode} round={number} "
            f"{create} &")
    lines.append("wait")
    return "\n".join(lines) + "\n"


def take(line, by_name):
    """Applies one line of the guest."""
    words = line.split(" ", 3)
    if words[0] == "A" and len(words) == 3:
        name, _, lane = words[1].rpartition(".")
        if name in by_name and words[2].isdigit():
            by_name[name].counts[int(lane)] = int(words[2])
            by_name[name].acknowledged = True
    elif words[0] == "@verified" and len(words) == 3:
        by_name[words[1]].counts = [int(count) for count in words[2].split(",")]
        by_name[words[1]].verified = True
        by_name[words[1]].created = True
    elif words[0] == "@fail":
        name = words[1] if len(words) > 1 else "?"
        if name in by_name:
            by_name[name].failures.append(" ".join(words[2:]))


def read_until(machine, by_name, condition, seconds):
    """Reads lines until the condition holds; False when the time or the machine ended first."""
    deadline = time.monotonic() + seconds
    while not condition():
        lines = machine.read_available(min(1, deadline - time.monotonic()))
        for line in lines or []:
            take(line, by_name)
        if lines is None or time.monotonic() > deadline:
            return condition()
    return True


def drain_after_kill(machine, by_name):
    """What QEMU had passed on before it died was acknowledged."""
    machine.kill()
    while (lines := machine.read_available(10)) is not None:
        for line in lines:
            take(line, by_name)


def run(context):
    options = context.options
    chance = random.Random(options.seed)
    found = targets(context)
    by_name = {target.name: target for target in found}
    for number in range(options.rounds + 1):
        mode = "verify" if number == options.rounds else ("threads", "shell")[number % 2]
        for target in found:
            target.verified = target.acknowledged = False
        name = f"cut{number}"
        with context.boot(name, script(found, mode, number)) as machine:
            # Every fifth cut falls at any time, also while the stores recover from the last one.
            early = number % 5 == 4 and mode != "verify"
            if early:
                read_until(machine, by_name, lambda: any(t.verified for t in found), 120)
                seconds = chance.uniform(0, 1.5)
            elif mode == "verify":
                seconds = 0
            else:
                seconds = chance.uniform(0.2, 3)
            if not early:
                def ready():
                    return all(t.failures or (t.acknowledged if mode != "verify" else t.verified)
                               for t in found)
                if not read_until(machine, by_name, ready, options.timeout):
                    slow = [t.name for t in found if not (t.verified or t.failures)]
                    raise MachineError(f"{name}: no answer from {slow}\n{machine.tail()}")
            if seconds:
                read_until(machine, by_name, lambda: False, seconds)
            drain_after_kill(machine, by_name)
        judge(context, found, number, early)
        found = [target for target in found if not target.failures]
    total = sum(sum(target.counts) for target in found)
    context.report.note(f"power cuts: {options.rounds} rounds, {total} acknowledged operations")


def judge(context, found, number, early):
    """Counts the cut that this boot verified; the first boot only wrote."""
    for target in found:
        if target.failures:
            for failure in target.failures:
                context.report.add(target.name, f"cut-{number}", False, failure)
        elif number > 0 and target.verified:
            context.report.cuts += 1
            context.report.add(target.name, f"cut-{number}", True)
        elif not target.verified and not early:
            context.report.add(target.name, f"cut-{number}", False, "was not verified")
