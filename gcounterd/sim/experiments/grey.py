"""E6: a member that hears nothing now and then, or that is hardly heard.

Theory. Between well and dead there is grey: Rapid's paper lets one of a hundred nodes lose all that
comes in for 20 s of every 40, or most of what goes out, and sees memberlist change its mind all
the time while views differ. What is asked for is bounded: few changes, views that agree again soon,
and no healthy member dropped by a healthy one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import attrs

from gcounterd.members.claims import Liveness
from gcounterd.members.timing import LAN
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import mean
from gcounterd.sim.experiments.tables import Table, ratio
from gcounterd.sim.experiments.watching import SETTLE_S, Watched
from gcounterd.sim.standing import stand

SECONDS = 600.0
SWITCH_S = 20.0
LOSS = 0.8
LOSS_FROM_S = 90.0
INBOUND, OUTBOUND = "inbound 20 s on, 20 s off", "outbound 80 % lost"


@attrs.frozen
class Setting:
    """One of a hundred nodes is grey, in the way that `fault` says."""

    nodes: int
    fault: str


@attrs.frozen
class Finding:
    """What the healthy members saw.

    changes     deaths and returns of grey members, per healthy observer and minute
    by_minute   the same, minute by minute
    divergent   seconds in which healthy members differed about who lives; views  at most so many
    dropped     healthy members that healthy ones declared dead
    """

    changes: float
    by_minute: tuple[float, ...]
    divergent: int
    views: int
    dropped: int


def run(setting: Setting, seed: int) -> Finding:
    """Let some nodes be grey for ten minutes."""
    cluster = Watched(seed, LAN)
    names = stand(cluster, setting.nodes)
    cluster.run(SETTLE_S)
    grey = cluster.rng.sample(names, max(1, setting.nodes // 100))
    cluster.slow = dict.fromkeys(grey)
    start = cluster.world.now
    if setting.fault == INBOUND:
        _switch(cluster, grey, names, start)
    else:
        cluster.world.at(start + LOSS_FROM_S, _lose, cluster, grey, names)
    divergent, most = 0, 1
    for _ in range(int(SECONDS)):
        cluster.run(1.0)
        views = _count_views(cluster)
        divergent += views > 1
        most = max(most, views)
    return _find(cluster, start, divergent, most)


def _switch(cluster: Watched, grey: list[str], names: list[str], start: float) -> None:
    for number in itertools.count():
        at = start + number * 2 * SWITCH_S
        if at >= start + SECONDS:
            return
        for source, target in [(a, b) for b in grey for a in names if a != b]:
            cluster.world.at(at, cluster.network.block, source, target)
            cluster.world.at(at + SWITCH_S, cluster.network.unblock, source, target)


def _lose(cluster: Watched, grey: list[str], names: list[str]) -> None:
    for source, target in [(a, b) for a in grey for b in names if a != b]:
        cluster.network.lose(source, target, LOSS)


def _count_views(cluster: Watched) -> int:
    """Count the different sets of living members that healthy members hold."""
    nodes = [host.node for host in cluster.hosts.values()]
    views: dict[tuple[bool, ...], None] = {}
    for process in cluster.running:
        if process.host not in cluster.slow:
            detector = process.node.detector
            views[tuple([detector.liveness(node) < Liveness.DEAD for node in nodes])] = None
    return len(views)


def _find(cluster: Watched, start: float, divergent: int, most: int) -> Finding:
    healthy = len(cluster.hosts) - len(cluster.slow)
    minutes: Counter[int] = Counter()
    for change in cluster.changes:
        wrong = change.event in ("dead", "back") and change.member in cluster.slow
        if wrong and change.where not in cluster.slow:
            minutes[int((change.at - start) // 60)] += 1
    by_minute = tuple([minutes[number] / healthy for number in range(int(SECONDS / 60))])
    dropped = [
        each
        for each in cluster.false_deaths
        if each.member not in cluster.slow and each.where not in cluster.slow
    ]
    return Finding(mean(by_minute), by_minute, divergent, most, len(dropped))


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return both faults."""
    return [Setting(number, fault) for number in nodes or (100,) for fault in (INBOUND, OUTBOUND)]


def runs(_: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 3


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per fault."""
    head = (
        *("N", "fault", "runs", "changes per observer and minute", "in the last 5 minutes"),
        *("seconds with views that differ", "views at most", "healthy members dropped"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    late = [minute for finding in findings for minute in finding.by_minute[-5:]]
    differ = sum(finding.divergent for finding in findings)
    return (
        setting.nodes,
        setting.fault,
        len(findings),
        mean([finding.changes for finding in findings]),
        mean(late),
        ratio(differ, SECONDS * len(findings)),
        max([finding.views for finding in findings], default=0),
        sum(finding.dropped for finding in findings),
    )


PLAN = Plan("E6", "Grey members", settings, runs, run, tabulate)
