"""Places that keep nothing without looking like it, in one boot; guest/places.sh makes and checks
them."""

from machine import run_job

PLACES = [
    "initramfs", "ramfs", "overlay-tmpfs", "overlay-initramfs", "loop-tmpfs", "loop-overlay",
    "ram-disk", "zram", "dm-memory", "overlay-disk", "loop-disk",
]


def run(context):
    ended = set()

    def on_line(line):
        if line.startswith("@end "):
            ended.add(line.split()[1])

    with context.boot("places", ". /vm/suite.sh\n. /vm/places.sh\nrun_places\n") as machine:
        run_job(machine, context.report, context.options.timeout, on_line=on_line)
    for name in PLACES:
        if name not in ended:
            context.report.add(name, "places", False, "did not come to its end")
