"""Collects checks and prints the table and the last line of a run."""


class Report:
    """Results by medium. `cuts` counts medium-and-power-cut pairs that lost nothing."""

    def __init__(self, stream):
        self.stream = stream
        self.results = []
        self.cuts = 0
        self.strategies = {}

    def add(self, medium, test, passed, detail=""):
        self.results.append((medium, test, passed, detail))
        if not passed:
            print(f"FAIL {medium}: {test}: {detail}", file=self.stream, flush=True)

    def check(self, medium, test, condition, detail=""):
        self.add(medium, test, bool(condition), detail)
        return bool(condition)

    def note(self, text):
        print(text, file=self.stream, flush=True)

    @property
    def failed(self):
        return sum(not passed for _, _, passed, _ in self.results)

    def media(self, known):
        return {medium for medium, *_ in self.results if medium in known}

    def table(self, known):
        """One line a medium: its strategy, its checks, and the names of what failed."""
        names = [name for name in known if name in {row[0] for row in self.results}]
        names += sorted({row[0] for row in self.results} - set(names))
        lines = [f"{'medium':<14} {'strategy':<14} {'passed':>6} {'failed':>6}  failures"]
        for name in names:
            rows = [row for row in self.results if row[0] == name]
            bad = [row[1] for row in rows if not row[2]]
            strategy = self.strategies.get(name, "-")
            lines.append(
                f"{name:<14} {strategy:<14} {len(rows) - len(bad):>6} {len(bad):>6}  "
                + ", ".join(bad))
        return "\n".join(line.rstrip() for line in lines)

    def summary(self, known):
        passed = len(self.results) - self.failed
        return (f"dax-vm: {len(self.media(known))} media, {passed} passed, "
                f"{self.failed} failed, {self.cuts} power cuts survived")
