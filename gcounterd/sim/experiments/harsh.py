"""E9: half of all segments are lost.

Theory. chitchat's tests lose every second datagram for half a minute and ask that no live node is
lost, and that a crash is noticed within 15 s. Over TCP the same loss is time: every second frame
is late by 200 ms or more, one in eight by more than a second, one in sixteen breaks its connection.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.timing import LAN
from gcounterd.sim.experiments.crash import Crash, observe
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import bounds, mean, percentile
from gcounterd.sim.experiments.tables import Table, shares
from gcounterd.sim.experiments.watching import SETTLE_S, Watched, count_lives
from gcounterd.sim.standing import stand

SECONDS = 30.0


@attrs.frozen
class Setting:
    """So many nodes, and the share of segments that are lost."""

    nodes: int
    loss: float


@attrs.frozen
class Finding:
    """False deaths once per life in `SECONDS`, then what became of a crash."""

    lost: int
    suspected: int
    crash: Crash


def run(setting: Setting, seed: int) -> Finding:
    """Let a good network turn bad; then a host crash."""
    cluster = Watched(seed, LAN)
    names = stand(cluster, setting.nodes)
    cluster.run(SETTLE_S)
    cluster.network.conditions.loss = setting.loss
    cluster.run(SECONDS)
    lost, suspected = count_lives(cluster.false_deaths), count_lives(cluster.false_suspicions)
    return Finding(lost, suspected, observe(cluster, cluster.rng.choice(names)))


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return chitchat's loss, and half of it."""
    return [Setting(number, loss) for number in nodes or (10, 100) for loss in (0.25, 0.50)]


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 20 if setting.nodes <= 10 else 5


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting."""
    head = (
        *("N", "loss", "runs", "runs that lost a live node (95 % bounds)", "lost per run"),
        *("suspected per run", "crash: dead p50 / max", "undetected"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    hit = sum(finding.lost > 0 for finding in findings)
    low, high = bounds(hit, len(findings))
    dead = [at for finding in findings for at in finding.crash.dead]
    return (
        setting.nodes,
        f"{setting.loss:.0%}",
        len(findings),
        f"{hit} ({low:.1%} to {high:.1%})",
        mean([finding.lost for finding in findings]),
        mean([finding.suspected for finding in findings]),
        shares([percentile(dead, 0.5), max(dead, default=float("nan"))]),
        sum(finding.crash.undetected for finding in findings),
    )


PLAN = Plan("E9", "Half of everything is lost", settings, runs, run, tabulate)
