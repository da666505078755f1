"""E7: one rumour; how fast does it reach everyone, and how often is it told?

Theory. Each node tells a rumour `retransmit * ceil(log10(N + 1))` times and no more, whatever is
lost: ScaleCube's and serf's tests ask for that, and that everyone has it within the sweep time.
Here a member that is told to be suspected refutes, and what is watched is its new incarnation.
Loss is TCP's: late, not missing. Probes are slowed down, so that bad networks give nothing else to
tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.timing import LAN
from gcounterd.node.messages import Channel, Gossip
from gcounterd.sim.experiments.oracles import rounds_to, tellings
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import percentile
from gcounterd.sim.experiments.tables import Table, shares
from gcounterd.sim.experiments.watching import SETTLE_S, Watched
from gcounterd.sim.standing import stand
from gcounterd.wire.codec import encode

TIMING = attrs.evolve(LAN, interval=20.0, timeout=10.0)
LOOK_EVERY_S = 0.02
PATIENCE_S = 60.0
RUMOURS = 5


@attrs.frozen
class Setting:
    """`delay` is the mean delay of a segment, seconds."""

    nodes: int
    loss: float
    delay: float


@attrs.frozen
class Finding:
    """What became of some rumours, one after another, in a quiet cluster.

    took       seconds until all knew each of them
    told       times that it was told, over all nodes; most, least  by one node
    """

    took: tuple[float, ...]
    told: tuple[int, ...]
    most: int
    least: int
    false_deaths: int


def run(setting: Setting, seed: int) -> Finding:
    """Let members refute what was never said, one at a time."""
    cluster = Watched(seed, TIMING, setting.loss)
    cluster.network.conditions.delay_s = setting.delay
    stand(cluster, setting.nodes)
    cluster.run(SETTLE_S)
    took, told, each = [], [], []
    for _ in range(RUMOURS):
        _wait_until_quiet(cluster)
        before = _tellings(cluster)
        took.append(_spread(cluster))
        _wait_until_quiet(cluster)
        counts = [after - first for after, first in zip(_tellings(cluster), before, strict=True)]
        told.append(sum(counts))
        each += counts
    return Finding(tuple(took), tuple(told), max(each), min(each), len(cluster.false_deaths))


def _tellings(cluster: Watched) -> list[int]:
    return [process.node.detector.told for process in cluster.running]


def _wait_until_quiet(cluster: Watched) -> None:
    end = cluster.world.now + PATIENCE_S
    while cluster.world.now < end:
        cluster.run(1.0)
        if not any(process.node.detector.telling for process in cluster.running):
            return


def _spread(cluster: Watched) -> float:
    """Let a member be accused by one of its peers; return how long its answer takes to all."""
    rng = cluster.rng
    process = rng.choice(cluster.running)
    me = process.node.detector.me
    link = rng.choice(process.node.peers.on(Channel.CONTROL))
    end = process.ends[link.id].peer
    assert end is not None
    accusation = attrs.evolve(me, liveness=Liveness.SUSPECT, accuser=link.peer)
    cluster.network.send(end, encode(Gossip((accusation,))))
    start = cluster.world.now
    while cluster.world.now < start + PATIENCE_S:
        cluster.run(LOOK_EVERY_S)
        if all(_knows(cluster, name, me) for name in cluster.living):
            return cluster.world.now - start
    return math.inf


def _knows(cluster: Watched, name: str, before: Claim) -> bool:
    view = cluster.node(name).detector.view(before.node)
    return view is not None and view.incarnation > before.incarnation


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return ScaleCube's matrix, as far as it says something, and larger clusters."""
    small = [
        Setting(number, loss, delay)
        for number in nodes or (2, 10, 50)
        for delay in (0.002, 0.1)
        for loss in (0.0, 0.10, 0.25)
    ]
    return [*small, *([] if nodes else [Setting(200, 0.0, 0.002)])]


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 4 if setting.nodes <= 50 else 2


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting."""
    head = (
        *("N", "loss", "delay", "rumours", "known to all: p50 / max", "serf's curve to 99.99 %"),
        *("tellings by one node: least / most", "limit", "delivered twice or more"),
        "false deaths",
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    took = [seconds for finding in findings for seconds in finding.took]
    told = [number for finding in findings for number in finding.told]
    least = min([finding.least for finding in findings], default=0)
    most = max([finding.most for finding in findings], default=0)
    twice = sum(told) - len(told) * (setting.nodes - 1)
    return (
        setting.nodes,
        f"{setting.loss:.0%}",
        f"{setting.delay * 1000:g} ms",
        len(took),
        shares([percentile(took, 0.5), max(took, default=math.nan)]),
        LAN.gossip_every * rounds_to(0.9999, setting.nodes, LAN.fan_out),
        f"{least} / {most}",
        tellings(setting.nodes, LAN.retransmit),
        f"{twice / max(1, len(told)):.0f} per rumour",
        sum(finding.false_deaths for finding in findings),
    )


PLAN = Plan("E7", "One rumour", settings, runs, run, tabulate)
