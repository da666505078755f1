"""The report: what a range of seeds amounted to, for people.

Theory. A failing seed is a bug report, so its line ends in the command that repeats it. Faults
that never happened prove nothing, so what happened is counted over all seeds, and a class that is
missing from a large range fails it (`sometimes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs

from gcounterd.sim.run import Outcome
from gcounterd.sim.steering import CELL

# What has to happen now and then in a large range of seeds, or the simulator has lost its teeth.
SOMETIMES = (
    "answered and lost with a disk",
    "apply in slices",
    "bridge",
    "checkpoint",
    "checkpoint torn",
    "clock turned",
    "cold column raised",
    "cold column read",
    "column final",
    "commit refused",
    "crash loop",
    "dial refused",
    "dial timed out",
    "disk cloned",
    "disk error",
    "disk full",
    "disk stalled",
    "epoch redrawn",
    "formed: all",
    "formed: chain",
    "formed: islands",
    "formed: late",
    "frame dropped from a full queue",
    "frame repeated",
    "halves",
    "hello refused: asking",
    "hello refused: twin",
    "increment refused",
    "islands introduced",
    "isolated node",
    "kill",
    "late frame",
    "link lost: dead",
    "link lost: replaced",
    "link lost: stuck",
    "lossy route",
    "majorities ring",
    "one-way partition",
    "pause",
    "power cut",
    "power cut of all",
    "read exact",
    "read missed someone",
    "reset",
    "rolling restart",
    "sender gave up",
    "slow disk",
    "stale disk",
    "stalled stream",
    "starved reader",
    "stop",
    "suspend",
    "swizzle",
    "thin link",
    "twin ended",
    "unsynced row lost",
)
# The same where members are removed.
SOMETIMES_OF_REMOVALS = (
    "exit 0",
    "exit 5",
    "forgotten",
    "newcomer",
    "old disk brought back",
    "released",
    "removal asked for",
)
# Ranges at least this large are held to these; and the first also to this: every fault has met
# every phase of a removal (`sim.steering`).
SEEDS_FOR_SOMETIMES = 160
SEEDS_FOR_REMOVALS = 80


@attrs.define
class Report:
    """Sums over seeds.

    simulated_s  virtual seconds; slowest_s  the longest way to agreement after heal
    """

    seeds: int = 0
    frames: int = 0
    simulated_s: float = 0.0
    slowest_s: int = 0
    failures: list[Outcome] = attrs.Factory(list)
    tally: Counter[str] = attrs.Factory(Counter)

    def add(self, outcome: Outcome) -> None:
        """Take in one seed."""
        self.seeds += 1
        self.frames += outcome.frames
        self.simulated_s += outcome.simulated_s
        self.slowest_s = max(self.slowest_s, outcome.agreement_s)
        self.tally.update(outcome.tally)
        if outcome.violation:
            self.failures.append(outcome)

    @property
    def missing(self) -> list[str]:
        """Return the classes that should have happened and did not."""
        cells = sorted(what for what in self.tally if what.startswith(CELL))
        wanted: list[str] = []
        if self.seeds >= SEEDS_FOR_SOMETIMES:
            wanted += [*SOMETIMES, *cells]
        if self.seeds >= SEEDS_FOR_REMOVALS and cells:
            wanted += SOMETIMES_OF_REMOVALS
        return [what for what in wanted if not self.tally[what]]

    def lines(self, wall_s: float) -> Iterable[str]:
        """Yield the table and the sums; `wall_s` is how long it took."""
        width = max(map(len, self.tally), default=0)
        for what, times in sorted(self.tally.items()):
            yield f"  {what:<{width}}  {times:>10,}"
        yield (
            f"{self.seeds:,} seeds, {self.simulated_s / 3600:,.1f} simulated hours, "
            f"{self.frames:,} messages in {wall_s:.1f} s ({self.frames / wall_s:,.0f} a second); "
            f"agreement at most {self.slowest_s} s after heal"
        )
        for what in self.missing:
            yield f"never happened: {what}"
        yield f"{len(self.failures)} seeds failed" if self.failures else "nothing was violated"


def describe(outcome: Outcome, command: str) -> str:
    """Return the line of a failing seed."""
    return f"seed {outcome.seed}: {outcome.violation}\n    repeat: {command}"
