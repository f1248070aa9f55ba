"""The store's suite on every medium: one boot for all of them, a second one with eADR."""

import json

import doctor
from machine import run_job
from media import MEDIA, available, by_name


def suite_script(media):
    """Two media at a time, one a processor; system calls are counted one medium after the other."""
    lines = [". /vm/suite.sh"]
    for part in (media[0::2], media[1::2]):
        calls = "\n".join(
            f'run_suite {m.name} "{m.pool}" "{m.size or ""}" {int(m.synchronous)}' for m in part)
        if part:
            lines.append("{\n" + calls + "\n} &")
    lines.append("wait")
    for m in media:
        lines.append(f'count_durability_calls {m.name} "{m.pool}" {int(m.synchronous)}')
        if not m.devdax:
            lines.append(f'rm -f "{m.pool}"')
    lines += [f"echo '@end {m.name}'" for m in media]
    return "\n".join(lines) + "\n"


def find(value, key):
    """The first value of a key anywhere in parsed JSON."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find(item, key)
            if found is not None:
                return found
    return None


def check_info(report, medium, text, automatic_flush):
    """What `info --json` says against what this medium is."""
    try:
        info = json.loads(text)
    except ValueError:
        report.add(medium.name, "info", False, f"not JSON: {text[:200]}")
        return
    expected = {"strategy": medium.strategy(automatic_flush), "kind": medium.kind}
    actual = {key: find(info, key) for key in expected}
    durable = find(info, "durable")
    if durable is None:
        durable = find(info, "isDurable")
    expected["durable"], actual["durable"] = medium.durable, durable
    report.strategies[medium.name] = actual["strategy"] or "?"
    test = "info-eadr" if automatic_flush else "info"
    report.check(medium.name, test, actual == expected, f"expected {expected}, got {actual}")


def follow(context, machine, media, automatic_flush, seconds):
    ended = set()

    def on_line(line):
        word, _, rest = line.partition(" ")
        if word == "@info":
            name, _, text = rest.partition(" ")
            check_info(context.report, by_name(name), text, automatic_flush)
        elif word == "@doctor":
            name, _, text = rest.partition(" ")
            doctor.check(context.report, by_name(name), text, automatic_flush)
        elif word == "@end":
            ended.add(rest)

    run_job(machine, context.report, seconds, on_line=on_line)
    for medium in media:
        if medium.name not in ended:
            context.report.add(medium.name, "suite", False, "did not come to its end")


def run(context):
    media = [m for m in MEDIA if context.wants(m.name)]
    with context.boot("suite", suite_script(media)) as machine:
        follow(context, machine, media, False, context.options.timeout)


def eadr_script(media):
    lines = [". /vm/suite.sh"]
    for m in media:
        pool = m.pool if m.devdax else m.pool + ".eadr"
        force = "--force" if m.devdax else ""
        size = f"--size {m.size}" if m.size else ""
        lines += [
            f'check {m.name} eadr-create pmemkv create "{pool}" {size} {force}',
            f'echo "@info {m.name} $(pmemkv info "{pool}" --json | tr -d \'\\n\')"',
            f'echo "@doctor {m.name} $(pmemkv doctor "{pool}" --json | tr -d \'\\n\')"',
            f'pmemkv-torture suite medium={m.name} pool="{pool}" operations=100 seed=9 |'
            " sed 's/^\\(@[a-z]* [^ ]* \\)/\\1eadr-/'",
            "" if m.devdax else f'rm -f "{pool}"',
            f"echo '@end {m.name}'"]
    return "\n".join(lines) + "\n"


def run_eadr(context):
    """A machine whose caches survive a power loss, without the virtio-pmem devices: libpmem asks
    every region, and those have no persistence domain to show."""
    names = ["fsdax-mem", "fsdax-dev", "devdax-4k", "devdax-2m", "dm-sync", "disk-ext4"]
    media = [m for m in available(False) if m.name in names and context.wants(m.name)]
    strategies = dict(context.report.strategies)
    with context.boot(
            "eadr", eadr_script(media), with_virtio=False, automatic_flush=True) as machine:
        follow(context, machine, media, True, context.options.timeout)
    for name in ["fsdax-mem", "devdax-4k"]:
        if name in context.report.strategies and name in strategies:
            strategies[name] += "/" + context.report.strategies[name]
    context.report.strategies = strategies
