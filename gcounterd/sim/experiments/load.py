"""E8: what membership costs on the wire, at rest and in trouble.

Theory. SWIM's load per member does not depend on how many there are: a ping and an ack an interval,
and as many again for the probe by another. What grows is what is told about changes, and whatever
keeps tables equal. Counted are the bytes of frames, hellos included, of all channels, with no
counter traffic; TCP's own headers are not.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.timing import LAN
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.starved import LAG_S
from gcounterd.sim.experiments.statistics import mean, percentile
from gcounterd.sim.experiments.tables import Table
from gcounterd.sim.experiments.watching import SETTLE_S, Watched
from gcounterd.sim.standing import stand

IDLE, CRASH, STARVED = "idle", "one crash", "10 % starved"
# A link is exchanged for another every ten seconds, hashes are compared every thirty.
SECONDS = 60
QUIET_S = 20.0


@attrs.frozen
class Setting:
    """So many nodes, and what happens to them."""

    nodes: int
    what: str


@attrs.frozen
class Finding:
    """Frames per node and second; bytes, of each node in each second, as mean, p99 and most."""

    frames: float
    mean: float
    p99: float
    most: float


def run(setting: Setting, seed: int) -> Finding:
    """Count what each node sends, second by second."""
    cluster = Watched(seed, LAN)
    names = stand(cluster, setting.nodes)
    cluster.run(SETTLE_S + QUIET_S)
    rng = cluster.rng
    if setting.what == CRASH:
        cluster.crash(rng.choice(names))
    elif setting.what == STARVED:
        for name in rng.sample(names, setting.nodes // 10):
            cluster.process(name).starve(lambda: rng.uniform(*LAG_S))
    frames: list[int] = []
    sizes: list[float] = []
    before = cluster.traffic()
    for _ in range(SECONDS):
        cluster.run(1.0)
        now = cluster.traffic()
        frames += [now[name][0] - before[name][0] for name in now]
        sizes += [float(now[name][1] - before[name][1]) for name in now]
        before = now
    return Finding(mean(frames), mean(sizes), percentile(sizes, 0.99), max(sizes))


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return each size at rest and in trouble; the largest at rest only."""
    sizes = nodes or (10, 50, 200, 1000)
    return [
        Setting(number, what)
        for number in sizes
        for what in ((IDLE, CRASH, STARVED) if number < 1000 else (IDLE,))
    ]


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 3 if setting.nodes <= 50 else 1


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting."""
    head = ("N", "what", "runs", "frames per node and second", "bytes: mean", "p99", "most")
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    return (
        setting.nodes,
        setting.what,
        len(findings),
        mean([finding.frames for finding in findings]),
        mean([finding.mean for finding in findings]),
        max([finding.p99 for finding in findings], default=0.0),
        max([finding.most for finding in findings], default=0.0),
    )


PLAN = Plan("E8", "Load on the wire", settings, runs, run, tabulate)
