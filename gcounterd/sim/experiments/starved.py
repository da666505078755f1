"""E2: some members read everything late; who is taken for dead, and by whom?

Theory. A process that gets no processor is the hardest case for a failure detector: it sends in
time and hears late, so others look dead to it and it looks dead to others (Dadgar, Phillips, Currey
2017). What counts is that it harms nobody: healthy members that healthy members declare dead. Here
the slow ones read each input 0.5 to 2.5 s late, in order, and their timers are on time. Half way a
healthy host vanishes, so that a detector cannot win by being blind.

Deaths are counted as the Lifeguard paper does, at each member that declares one, and as kinship
does, once per member and incarnation.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.timing import LAN, Timing
from gcounterd.sim.experiments.crash import Crash, observe
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.statistics import bounds, mean, percentile
from gcounterd.sim.experiments.tables import Table, shares
from gcounterd.sim.experiments.watching import SETTLE_S, Change, Watched, count_lives
from gcounterd.sim.standing import stand

LAG_S = (0.5, 2.5)
# Of members that are blocked: for how long, and how long they read in between, as powers of two.
BLOCKED_S, FREE_S = (0.0, 5.0), (-4.0, 3.0)


@attrs.frozen
class Setting:
    """`slow` members of `nodes` are starved for so many seconds; `what` names the timing.

    blocked   they read nothing at all for some time, again and again, instead of everything late
    """

    nodes: int
    slow: int
    loss: float
    what: str
    timing: Timing
    seconds: float = 120.0
    blocked: bool = False


@attrs.frozen
class Finding:
    """What one run found.

    deaths, deaths_healthy     false deaths at all members; of healthy ones, at healthy ones (FP-)
    deaths_of_healthy          of healthy ones, wherever declared (FP)
    lives, suspicions          false deaths, and suspicions, once per member and incarnation
    suspicions_of_healthy      the same, of healthy members
    frames, bytes              sent by all members
    """

    deaths: int
    deaths_of_healthy: int
    deaths_healthy: int
    lives: int
    suspicions: int
    suspicions_of_healthy: int
    crash: Crash
    frames: int
    bytes: int


def run(setting: Setting, seed: int) -> Finding:
    """Starve some members of a cluster; in the middle let a healthy one crash."""
    cluster = Watched(seed, setting.timing, setting.loss)
    names = stand(cluster, setting.nodes)
    cluster.run(SETTLE_S)
    rng = cluster.rng
    cluster.slow = dict.fromkeys(rng.sample(names, setting.slow))
    for name in cluster.slow:
        if setting.blocked:
            _Blocker(cluster, name).strike()
        else:
            cluster.process(name).starve(lambda: rng.uniform(*LAG_S))
    sent = _sent(cluster)
    start = cluster.world.now
    cluster.run(setting.seconds / 2)
    victim = rng.choice([name for name in names if name not in cluster.slow])
    sent = (
        sent[0] - cluster.process(victim).sent_frames,
        sent[1] - cluster.process(victim).sent_bytes,
    )
    crash = observe(cluster, victim)
    cluster.run(max(0.0, start + setting.seconds - cluster.world.now))
    frames, size = _sent(cluster)
    return _find(cluster, crash, frames - sent[0], size - sent[1])


class _Blocker:
    """Keeps a process from reading, again and again; its timers are on time."""

    def __init__(self, cluster: Watched, name: str) -> None:
        self._world = cluster.world
        self._blocked = round(2 ** cluster.rng.uniform(*BLOCKED_S), 6)
        self._free = round(2 ** cluster.rng.uniform(*FREE_S), 6)
        self._until = 0.0
        cluster.process(name).starve(lambda: max(0.0, self._until - self._world.now))

    def strike(self) -> None:
        """Begin to block, and do it again after a while."""
        self._until = self._world.now + self._blocked
        self._world.after(self._blocked + self._free, self.strike)


def _sent(cluster: Watched) -> tuple[int, int]:
    frames = sum(process.sent_frames for process in cluster.running)
    return frames, sum(process.sent_bytes for process in cluster.running)


def _find(cluster: Watched, crash: Crash, frames: int, size: int) -> Finding:
    deaths, suspicions = cluster.false_deaths, cluster.false_suspicions
    of_healthy = [each for each in deaths if each.member not in cluster.slow]
    return Finding(
        len(deaths),
        len(of_healthy),
        sum(each.where not in cluster.slow for each in of_healthy),
        count_lives(deaths),
        count_lives(suspicions),
        count_lives(_healthy(cluster, suspicions)),
        crash,
        frames,
        size,
    )


def _healthy(cluster: Watched, changes: list[Change]) -> list[Change]:
    return [each for each in changes if each.member not in cluster.slow]


def arm(timing: Timing) -> Timing:
    """Return a timing with all of Lifeguard turned off: plain SWIM with suspicion."""
    return attrs.evolve(timing, health_max=0, beta=1.0, buddy=False)


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return kinship's grid for our defaults, and one column of it without Lifeguard."""
    grid = [
        Setting(number, round(share * number), loss, "defaults", LAN, _seconds(number))
        for number in nodes or (50, 200)
        for share in (0.01, 0.05, 0.10)
        for loss in (0.01, 0.03, 0.05)
    ]
    plain = [
        attrs.evolve(setting, what="no Lifeguard", timing=arm(LAN))
        for setting in grid
        if setting.loss == 0.01
    ]
    return grid + plain


def _seconds(nodes: int) -> float:
    return 120.0 if nodes <= 100 else 60.0


def runs(setting: Setting) -> int:
    """Return how many runs fit the time there is: with the grid of 18, 360 of our defaults."""
    if setting.what != "defaults":
        return 8 if setting.nodes <= 100 else 2
    return 34 if setting.nodes <= 100 else 6


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per setting, and one for all of each timing."""
    head = (
        *("timing", "N", "slow", "loss", "runs", "runs with a false death (95 % bounds)"),
        *(
            "false deaths per run, once per life",
            "at all members",
            "of healthy",
            "of healthy, at healthy",
        ),
        *("false suspicions per run", "of healthy", "crash: dead p50 / p99", "undetected"),
        "bytes per node and second",
    )
    rows = [_row(setting, findings) for setting, findings in found]
    for what in dict.fromkeys(setting.what for setting, _ in found):
        every = [each for setting, group in found if setting.what == what for each in group]
        rows.append((what, "all", "", "", *_figures(every), ""))
    return Table(head, tuple(rows))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    each = setting.nodes * setting.seconds * max(1, len(findings))
    rate = sum(finding.bytes for finding in findings) / each
    place = (setting.what, setting.nodes, setting.slow, f"{setting.loss:.0%}")
    return (*place, *_figures(findings), round(rate))


def _figures(findings: list[Finding]) -> tuple[str | int | float, ...]:
    hit = sum(finding.deaths > 0 for finding in findings)
    low, high = bounds(hit, len(findings))
    dead = [at for finding in findings for at in finding.crash.dead]
    return (
        len(findings),
        f"{hit} ({low:.1%} to {high:.1%})",
        mean([finding.lives for finding in findings]),
        mean([finding.deaths for finding in findings]),
        mean([finding.deaths_of_healthy for finding in findings]),
        mean([finding.deaths_healthy for finding in findings]),
        mean([finding.suspicions for finding in findings]),
        mean([finding.suspicions_of_healthy for finding in findings]),
        shares([percentile(dead, 0.5), percentile(dead, 0.99)]),
        sum(finding.crash.undetected for finding in findings),
    )


PLAN = Plan("E2", "Some members read late", settings, runs, run, tabulate)
