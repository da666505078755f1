"""E1: a host vanishes without a word; how long until every other member believes it dead?

Theory. Nothing answers for a host without power, so only silence speaks: the time is that of the
first failed probe plus the shortest suspicion (`oracles.detection_median`). Several hosts crash in
one run, one after another, each started again when all know of its death: the cluster is as it was
before, and the time to put it up is spent once.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.timing import LAN, Timing
from gcounterd.sim.experiments.oracles import detection_median
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import percentile
from gcounterd.sim.experiments.tables import Table, shares
from gcounterd.sim.experiments.watching import SETTLE_S, Watched
from gcounterd.sim.standing import stand

# How long a death may stay unnoticed before it counts as undetected, and how long the cluster has
# for itself between two crashes.
PATIENCE_S = 60.0
BETWEEN_S = 6.0
CRASHES = 10


@attrs.frozen
class Setting:
    """`what` names the timing."""

    nodes: int
    loss: float
    what: str
    timing: Timing
    crashes: int = CRASHES


@attrs.frozen
class Crash:
    """What became of one crash, in seconds from it on; `dead` has one moment per live member."""

    suspected: float
    dead: tuple[float, ...]
    undetected: int


@attrs.frozen
class Finding:
    """What one run found; `health` is the worst local health that any member had."""

    crashes: tuple[Crash, ...]
    false_deaths: int
    health: int


def run(setting: Setting, seed: int) -> Finding:
    """Let hosts of one cluster crash, one after another."""
    cluster = Watched(seed, setting.timing, setting.loss)
    stand(cluster, setting.nodes)
    cluster.run(SETTLE_S)
    crashes, health = [], 0
    for _ in range(setting.crashes):
        victim = cluster.rng.choice(cluster.living)
        cluster.run(setting.timing.interval * cluster.rng.random())
        crashes.append(observe(cluster, victim))
        health = max([health, *(each.node.detector.health for each in cluster.running)])
        cluster.revive(victim)
        cluster.run(BETWEEN_S)
        cluster.changes.clear()
    return Finding(tuple(crashes), len(cluster.false_deaths), health)


def observe(cluster: Watched, victim: str) -> Crash:
    """Cut the power of a host and wait until all others believe it dead."""
    start = cluster.crash(victim)
    while cluster.world.now < start + PATIENCE_S:
        cluster.run(0.5)
        dead = cluster.since(start, "dead", victim)
        if len(dead) == len(cluster.living):
            break
    suspected = cluster.since(start, "suspect", victim).values()
    return Crash(
        min(suspected, default=float("nan")) - start,
        tuple([at - start for at in dead.values()]),
        len(cluster.living) - len(dead),
    )


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return alpha 4, which others are measured with, and our own defaults."""
    usual = attrs.evolve(LAN, alpha=4.0)
    return [
        Setting(number, loss, what, timing)
        for number in nodes or (10, 50, 100, 200)
        for what, timing in (("alpha 4", usual), ("defaults", LAN))
        for loss in ((0.0, 0.01, 0.03, 0.05) if number == 50 else (0.0, 0.01))
    ]


def runs(setting: Setting) -> int:
    """Return how many runs of `CRASHES` crashes fit the time there is."""
    return {10: 20, 50: 20, 100: 10}.get(setting.nodes, 5)


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting."""
    head = (
        *("timing", "N", "loss", "crashes", "first suspicion p50 / p99", "dead p50"),
        *("closed form", "p99", "max", "last member p50 / max", "spread p50 / p99"),
        *("undetected", "false deaths", "worst health"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    crashes = [crash for finding in findings for crash in finding.crashes]
    suspected = [crash.suspected for crash in crashes]
    dead = [at for crash in crashes for at in crash.dead]
    last = [max(crash.dead) for crash in crashes if crash.dead]
    spread = [max(crash.dead) - min(crash.dead) for crash in crashes if crash.dead]
    closed = detection_median(setting.nodes, setting.timing.alpha, setting.timing.interval)
    return (
        setting.what,
        setting.nodes,
        f"{setting.loss:.0%}",
        len(crashes),
        shares([percentile(suspected, 0.5), percentile(suspected, 0.99)]),
        percentile(dead, 0.5),
        closed,
        percentile(dead, 0.99),
        max(dead, default=float("nan")),
        shares([percentile(last, 0.5), max(last, default=float("nan"))]),
        shares([percentile(spread, 0.5), percentile(spread, 0.99)]),
        sum(crash.undetected for crash in crashes),
        sum(finding.false_deaths for finding in findings),
        max([finding.health for finding in findings], default=0),
    )


PLAN = Plan("E1", "A host vanishes", settings, runs, run, tabulate)
