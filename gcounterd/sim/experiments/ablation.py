"""E3: what each part of Lifeguard is good for.

Theory. Lifeguard has three parts: a prober that doubts itself (probe), a suspicion that starts long
and is shortened by others who confirm it (suspicion), and telling a suspect first (buddy). The
paper turns them on one by one, with alpha 5 and beta 6, and counts healthy members declared failed
anywhere (FP) and at healthy members (FP-), relative to plain SWIM. As there, slow members read
nothing for a while, again and again, 1 to 32 s at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.timing import LAN, Timing
from gcounterd.sim.experiments import starved
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.starved import Finding, Setting
from gcounterd.sim.experiments.tables import Table, ratio

FULL = attrs.evolve(LAN, alpha=5.0, beta=6.0)
SWIM = starved.arm(FULL)
ARMS: dict[str, Timing] = {
    "SWIM": SWIM,
    "probe": attrs.evolve(SWIM, health_max=FULL.health_max),
    "suspicion": attrs.evolve(SWIM, beta=FULL.beta),
    "buddy": attrs.evolve(SWIM, buddy=True),
    "all": FULL,
}
SECONDS = 60.0
SLOW = (1, 4, 8, 16, 32)


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return every arm with every number of slow members."""
    return [
        Setting(number, slow, 0.0, what, timing, SECONDS, blocked=True)
        for number in nodes or (128,)
        for what, timing in ARMS.items()
        for slow in SLOW
        if slow <= number // 2
    ]


def runs(_: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 3


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per arm, over all numbers of slow members."""
    head = (
        *("arm", "runs", "FP", "of SWIM's", "FP-", "of SWIM's", "frames", "of SWIM's"),
        *("MB", "of SWIM's", "FP by slow members"),
    )
    by_arm: dict[str, dict[int, list[Finding]]] = {}
    for setting, findings in found:
        by_arm.setdefault(setting.what, {}).setdefault(setting.slow, []).extend(findings)
    plain = _sums(by_arm.get("SWIM", {}))
    return Table(head, tuple([_row(what, by_arm[what], plain) for what in by_arm]))


def _sums(by_slow: dict[int, list[Finding]]) -> tuple[int, int, int, int]:
    every = [finding for findings in by_slow.values() for finding in findings]
    return (
        sum(finding.deaths_of_healthy for finding in every),
        sum(finding.deaths_healthy for finding in every),
        sum(finding.frames for finding in every),
        sum(finding.bytes for finding in every),
    )


def _row(
    what: str, by_slow: dict[int, list[Finding]], plain: tuple[int, int, int, int]
) -> tuple[str | int | float, ...]:
    deaths, healthy, frames, size = _sums(by_slow)
    split = [sum(each.deaths_of_healthy for each in group) for group in by_slow.values()]
    return (
        what,
        sum(len(findings) for findings in by_slow.values()),
        *(deaths, ratio(deaths, plain[0]), healthy, ratio(healthy, plain[1])),
        *(frames, ratio(frames, plain[2]), size / 1e6, ratio(size, plain[3])),
        ", ".join(f"{slow}: {number}" for slow, number in zip(by_slow, split, strict=True)),
    )


PLAN = Plan("E3", "What each part of Lifeguard does", settings, runs, starved.run, tabulate)
