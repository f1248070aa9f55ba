"""Flush tracing of the release binary: the plugin watches the real instructions on real media.

First the plugin's self-test, with right sequences and wrong ones, then the store on a devdax and on
an fsdax file; a second boot traces an fsdax file of a machine with eADR.
"""

import os

from machine import run_job
from media import by_name

# What the self-test's phases must report: violations of lines left dirty, and only flushed.
SELFTEST = {
    "addressing": dict(stores=6, flushes=6, fences=1, dirty=0, flushed=0),
    "other_flushes": dict(stores=2, flushes=2, fences=1, dirty=0, flushed=0),
    "nontemporal": dict(nt=11, flushes=0, fences=1, dirty=0, flushed=0),
    "no_flush": dict(flushes=1, fences=1, dirty=1, flushed=0),
    "no_fence": dict(flushes=1, fences=0, dirty=0, flushed=1),
    "late_store": dict(flushes=1, fences=1, dirty=1, flushed=0),
    "straddling": dict(flushes=1, fences=1, dirty=1, flushed=0),
    "fence_only": dict(flushes=0, fences=1, dirty=0, flushed=0),
}
SELFTEST_SCRIPT = """
wait_for_host 'singlestep on'
check plugin selftest pmemtrace-selftest
wait_for_host 'singlestep off'
"""
SINGLE_FENCE = ["put-", "overwrite", "delete", "batch"]


def parse(path):
    """Phases in order: name to counters, with the violations of each."""
    phases, violations = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            kind, *words = line.split()
            values = dict(word.split("=", 1) for word in words)
            name = values.get("phase") or values.get("name")
            if kind == "violation":
                violations.setdefault(name, []).append(f"{values['line']} {values['state']}")
                continue
            counters = {key: int(value) for key, value in values.items()
                        if key not in ("phase", "name", "id")}
            phases.setdefault(name, {}).update(counters)
    for name, found in violations.items():
        if name in phases:
            phases[name]["violations"] = found
    return phases


def boot(context, name, script, automatic_flush=False):
    """One machine with one processor and the plugin; gives back the phases it saw."""
    out = os.path.join(context.directory, name + ".trace")
    plugin = f"{context.plugin},out={out},user=on"
    with context.boot(
            name, script, with_virtio=not automatic_flush, automatic_flush=automatic_flush,
            processors=1, plugin=plugin) as machine:
        run_job(machine, context.report, context.options.timeout,
                on_wait=lambda command: machine.monitor(command))
        machine.process.wait(30)
    return parse(out)


def store_script(medium, fence_only):
    pool = medium.pool if medium.devdax else medium.pool + ".trace"
    size = "" if medium.devdax else "--size 32MiB"
    return f"""
rm -f {'' if medium.devdax else pool}
check {medium.name} trace-create pmemkv create "{pool}" {size} --segment-size 1MiB \
{'--force' if medium.devdax else ''}
wait_for_host 'singlestep on'
pmemkv-torture trace medium={medium.name} pool="{pool}" segment=1048576 fence-only={fence_only}
wait_for_host 'singlestep off'
rm -f {'' if medium.devdax else pool}
"""


def check_selftest(report, phases):
    for name, expected in SELFTEST.items():
        actual = {key: phases.get(name, {}).get(key) for key in expected}
        report.check("plugin", "selftest-" + name, actual == expected,
                     f"expected {expected}, got {actual}")


def check_store(report, medium, phases, fence_only):
    """Every stored line is flushed before a fence, and the fence precedes the acknowledgement."""
    suffix = "-eadr" if fence_only else ""
    wanted = ["put-0", "put-200", "put-20000", "overwrite", "delete", "batch", "relaxed-sync",
              "seal", "close"]
    for name in wanted:
        report.check(medium, f"trace-{name}{suffix}", name in phases, "phase is missing")
    for name, phase in phases.items():
        problems = []
        if phase["dirty"] or phase["flushed"]:
            problems.append(f"{phase['dirty']} lines stored and not flushed, "
                            f"{phase['flushed']} flushed and not fenced: {phase.get('violations')}")
        if phase["stores"] == 0 or phase["fences"] == 0:
            problems.append(f"{phase['stores']} stores, {phase['fences']} fences seen")
        if fence_only and phase["flushes"]:
            problems.append(f"{phase['flushes']} flushes where the fence is enough")
        if not fence_only and phase["flushes"] + phase["nt"] == 0:
            problems.append("nothing was flushed")
        if any(name.startswith(prefix) for prefix in SINGLE_FENCE) and phase["fences"] != 1:
            problems.append(f"{phase['fences']} fences for one operation")
        report.check(medium, f"trace-{name}{suffix}-durable", not problems, "; ".join(problems))


def table(phases):
    lines = [f"{'phase':<14} {'stores':>8} {'nt':>8} {'flushes':>8} {'clean':>6} {'fences':>7} "
             f"{'instructions':>13}"]
    for name, phase in phases.items():
        lines.append(
            f"{name:<14} {phase['stores']:>8} {phase['nt']:>8} {phase['flushes']:>8} "
            f"{phase['clean_flushes']:>6} {phase['fences']:>7} {phase['user']:>13}")
    return "\n".join(lines)


def of_medium(phases, medium):
    prefix = medium + "/"
    return {name.removeprefix(prefix): phase for name, phase in phases.items()
            if name.startswith(prefix)}


def report_store(context, phases, name, fence_only):
    own = of_medium(phases, name)
    check_store(context.report, name, own, fence_only)
    context.report.note(f"\nstores, flushes and fences on {name}"
                        + (" with eADR" if fence_only else "") + "\n" + table(own))


def run(context):
    names = [name for name in ["devdax-4k", "fsdax-mem"] if context.wants(name)]
    script = SELFTEST_SCRIPT + "".join(store_script(by_name(name), 0) for name in names)
    phases = boot(context, "trace", script)
    check_selftest(context.report, phases)
    for name in names:
        report_store(context, phases, name, False)
    if context.wants("fsdax-dev"):
        phases = boot(context, "trace-eadr", store_script(by_name("fsdax-dev"), 1),
                      automatic_flush=True)
        report_store(context, phases, "fsdax-dev", True)
