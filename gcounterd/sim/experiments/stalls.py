"""E10: a member stands still, and wakes up.

Theory. A process that was stopped, or whose loop was blocked, wakes with timers that are long due
and with input that nobody read. It must not take the others for dead; they may take it for dead if
it stood still for longer than a suspicion lasts, and it must be back soon after it wakes.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.claims import Liveness
from gcounterd.members.timing import LAN
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import percentile
from gcounterd.sim.experiments.tables import Table
from gcounterd.sim.experiments.watching import SETTLE_S, Watched
from gcounterd.sim.standing import stand

BLOCKED, STOPPED, ASLEEP = "loop blocked", "SIGSTOP", "suspended"
LOOK_EVERY_S = 0.05
PATIENCE_S = 60.0
AFTER_S = 10.0


@attrs.frozen
class Setting:
    """One of so many nodes stands still, in the way that `fault` says."""

    nodes: int
    fault: str
    seconds: float


@attrs.frozen
class Finding:
    """Who was taken for dead, and how long it took until all saw all alive again, from the wake.

    sleeper        nodes that declared the one that stood still dead
    by_sleeper     healthy members that it declared dead; healthy  that others did
    """

    sleeper: int
    by_sleeper: int
    healthy: int
    back: float


def run(setting: Setting, seed: int) -> Finding:
    """Let one member stand still, and watch it wake."""
    cluster = Watched(seed, LAN)
    names = stand(cluster, setting.nodes)
    cluster.run(SETTLE_S + cluster.rng.random())
    sleeper = cluster.rng.choice(names)
    cluster.slow[sleeper] = None
    if setting.fault == ASLEEP:
        cluster.suspend(sleeper)
        cluster.run(setting.seconds)
        cluster.rouse(sleeper)
    else:
        cluster.process(sleeper).block(setting.seconds)
        cluster.run(setting.seconds)
    back = _wait_until_all_see_all(cluster)
    cluster.run(AFTER_S)
    deaths = cluster.false_deaths
    return Finding(
        sum(each.member == sleeper for each in deaths),
        sum(each.member != sleeper and each.where == sleeper for each in deaths),
        sum(each.member != sleeper and each.where != sleeper for each in deaths),
        back,
    )


def _wait_until_all_see_all(cluster: Watched) -> float:
    start = cluster.world.now
    while cluster.world.now < start + PATIENCE_S:
        cluster.run(LOOK_EVERY_S)
        if _agrees(cluster):
            return cluster.world.now - start
    return float("inf")


def _agrees(cluster: Watched) -> bool:
    nodes = [host.node for host in cluster.hosts.values()]
    return all(
        process.node.detector.liveness(node) is Liveness.ALIVE
        for process in cluster.running
        for node in nodes
    )


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return what can stop a process: its own work, an operator, its host."""
    faults = [(BLOCKED, 10.0), (STOPPED, 3.0), (STOPPED, 10.0), (STOPPED, 60.0), (ASLEEP, 3600.0)]
    return [
        Setting(number, fault, seconds)
        for number in nodes or (10, 50)
        for fault, seconds in faults
        if number <= 10 or fault is not ASLEEP
    ]


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 20 if setting.nodes <= 10 and setting.fault != ASLEEP else 5


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting."""
    head = (
        *("N", "fault", "seconds", "runs", "declared dead by the one that stood still"),
        *("other healthy members declared dead", "runs in which it was declared dead"),
        *("all see all alive, from the wake: p50", "max"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    back = [finding.back for finding in findings]
    return (
        setting.nodes,
        setting.fault,
        f"{setting.seconds:g}",
        len(findings),
        sum(finding.by_sleeper for finding in findings),
        sum(finding.healthy for finding in findings),
        sum(finding.sleeper > 0 for finding in findings),
        percentile(back, 0.5),
        max(back, default=float("nan")),
    )


PLAN = Plan("E10", "A member stands still", settings, runs, run, tabulate)
