"""E5: everybody starts at once and knows one seed; how long until all see all?

Theory. A storm of joins is where a membership that is agreed on, or told whole, falls behind:
rosters of N members to N newcomers are N^2 entries. Rapid's paper counts, for its rivals, the time
until every process reports N members and how many different sizes were reported on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import percentile
from gcounterd.sim.experiments.tables import Table
from gcounterd.sim.experiments.watching import Watched

ALONE_S = 2.0
LOOK_EVERY_S = 0.02
PATIENCE_S = 120.0


@attrs.frozen
class Setting:
    """So many nodes, of which one is there before."""

    nodes: int


@attrs.frozen
class Finding:
    """Seconds from the burst, infinite if never; bytes a second at most.

    seen     until all see N members, all alive; active  until all of these count as well
    sizes    how many different numbers of members were seen
    """

    seen: float
    active: float
    sizes: int
    seed_bytes: int
    mean_bytes: int


def run(setting: Setting, seed: int) -> Finding:
    """Start one node, then all others in the same moment."""
    cluster = Watched(seed)
    names = [f"n{number}" for number in range(1, setting.nodes + 1)]
    address = cluster.add_host(names[0], seeds=["n1:7700"]).address
    cluster.start(names[0])
    cluster.run(ALONE_S)
    for name in names[1:]:
        cluster.add_host(name, seeds=[address])
    start = cluster.world.now
    for name in names[1:]:
        cluster.start(name)
    return _watch(cluster, start, setting.nodes)


def _watch(cluster: Watched, start: float, nodes: int) -> Finding:
    seen = active = float("inf")
    sizes: dict[int, None] = {}
    most = before = cluster.process("n1").sent_bytes
    peak = 0
    next_second = start + 1
    while cluster.world.now < start + PATIENCE_S and active == float("inf"):
        cluster.run(LOOK_EVERY_S)
        views = [process.node.detector.living for process in cluster.running]
        sizes |= dict.fromkeys(views)
        if seen == float("inf") and len(views) == nodes and min(views) == nodes:
            seen = cluster.world.now - start
        if seen < float("inf") and all(each.node.joining.counting for each in cluster.running):
            active = cluster.world.now - start
        if cluster.world.now >= next_second or active < float("inf"):
            most = cluster.process("n1").sent_bytes
            peak, before, next_second = max(peak, most - before), most, next_second + 1
    lasted = max(1.0, cluster.world.now - start)
    total = sum(process.sent_bytes for process in cluster.running)
    return Finding(seen, active, len(sizes), peak, round(total / lasted / nodes))


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return the sizes of Rapid's paper, and a small one."""
    return [Setting(number) for number in nodes or (100, 500, 1000)]


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 5 if setting.nodes <= 100 else 1


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per size."""
    head = (
        *("N", "runs", "all see N: p50", "max", "all active: p50", "max", "sizes seen"),
        *("bytes in the seed's worst second", "mean bytes per node and second"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    seen = [finding.seen for finding in findings]
    active = [finding.active for finding in findings]
    return (
        setting.nodes,
        len(findings),
        percentile(seen, 0.5),
        max(seen, default=float("nan")),
        percentile(active, 0.5),
        max(active, default=float("nan")),
        max([finding.sizes for finding in findings], default=0),
        max([finding.seed_bytes for finding in findings], default=0),
        max([finding.mean_bytes for finding in findings], default=0),
    )


PLAN = Plan("E5", "All join at once", settings, runs, run, tabulate)
