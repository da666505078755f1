"""E4: how long to suspect and how often to tell: where the defaults come from.

Theory. A shorter suspicion (alpha) finds a crash sooner and gives a slow member less time to
refute; telling each rumour more often (retransmit) lets the refutation come through. So neither is
good or bad alone: what is looked for is a point with both a lower latency and fewer false deaths
than the usual alpha of 4 with a retransmit of 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from gcounterd.members.timing import LAN
from gcounterd.sim.experiments import starved
from gcounterd.sim.experiments.oracles import detection_median
from gcounterd.sim.experiments.plan import Plan
from gcounterd.sim.experiments.starved import Finding, Setting
from gcounterd.sim.experiments.statistics import bounds, mean, percentile
from gcounterd.sim.experiments.tables import Table

ALPHAS = (2.0, 3.0, 4.0, 5.0)
RETRANSMITS = (2, 4, 6)


def settings(nodes: Sequence[int]) -> list[Setting]:
    """Return every pair, with a tenth of the members slow and a little loss."""
    return [
        Setting(
            number,
            number // 10,
            0.01,
            f"{alpha:g}, {retransmit}",
            attrs.evolve(LAN, alpha=alpha, retransmit=retransmit),
        )
        for number in nodes or (50,)
        for alpha in ALPHAS
        for retransmit in RETRANSMITS
    ]


def runs(_: Setting) -> int:
    """Return how many runs fit the time there is."""
    return 16


def tabulate(found: list[tuple[Setting, list[Finding]]]) -> Table:
    """Return one row per pair."""
    head = (
        *("alpha", "retransmit", "N", "runs", "crash: dead p50", "closed form", "p99"),
        *("runs with a false death (95 % bounds)", "false deaths per run, once per life"),
        *("of healthy, at healthy", "false suspicions per run", "bytes per node and second"),
    )
    return Table(head, tuple([_row(setting, findings) for setting, findings in found]))


def _row(setting: Setting, findings: list[Finding]) -> tuple[str | int | float, ...]:
    timing = setting.timing
    dead = [at for finding in findings for at in finding.crash.dead]
    hit = sum(finding.deaths > 0 for finding in findings)
    low, high = bounds(hit, len(findings))
    each = setting.nodes * setting.seconds * max(1, len(findings))
    return (
        f"{timing.alpha:g}",
        timing.retransmit,
        setting.nodes,
        len(findings),
        percentile(dead, 0.5),
        detection_median(setting.nodes, timing.alpha, timing.interval),
        percentile(dead, 0.99),
        f"{hit} ({low:.1%} to {high:.1%})",
        mean([finding.lives for finding in findings]),
        mean([finding.deaths_healthy for finding in findings]),
        mean([finding.suspicions for finding in findings]),
        round(sum(finding.bytes for finding in findings) / each),
    )


PLAN = Plan("E4", "How long to suspect, how often to tell", settings, runs, starved.run, tabulate)
