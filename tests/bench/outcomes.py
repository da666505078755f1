"""What the repeats of the comparison came to: figures for each system and fault, as rows.

Theory. A repeat's time is that of the last of the watchers; one that never told makes it infinite,
not missing, so that it cannot improve a median. Percentiles are by nearest rank, thus one of the
values: of up to 100 repeats the p99 is the longest, and says no more than that.
"""

from __future__ import annotations

import enum
import math
import signal
import statistics
from collections.abc import Sequence

import attrs

from tests.bench.rows import Row, percentile

NAME = "detection"
OURS = "ours"
# On a living host, whose port refuses, with 10 nodes at LAN defaults.
KILLED_KNOWN_S = 3.0


class Fault(enum.Enum):
    """What is done to the victim; the value is how it is asked for."""

    KILL = "kill"
    STOP = "stop"

    @property
    def number(self) -> signal.Signals:
        """Return the signal."""
        return signal.SIGKILL if self is Fault.KILL else signal.SIGSTOP


@attrs.frozen
class Outcome:
    """One repeat.

    assembled_s   from the first start until all saw all
    times         seconds from the fault to each watcher's first report of the death
    silent        watchers that reported none
    false_deaths  reports of the death of one that lived, as `watcher: member`
    busy          share of all cores' time used from the fault to the last report, by anybody
    """

    system: str
    fault: Fault
    repeat: int
    victim: str
    assembled_s: float
    times: dict[str, float]
    silent: tuple[str, ...]
    false_deaths: tuple[str, ...]
    busy: float

    @property
    def all_know_s(self) -> float:
        """Return the seconds until all knew."""
        return math.inf if self.silent else max(self.times.values())

    @property
    def first_knows_s(self) -> float:
        """Return the seconds until the first knew."""
        return min(self.times.values(), default=math.inf)

    def as_json(self) -> dict[str, object]:
        """Return everything, in types that JSON has."""
        return attrs.asdict(
            self, value_serializer=lambda _, __, v: v.value if isinstance(v, Fault) else v
        )


@attrs.frozen
class Figures:
    """The repeats of one system under one fault."""

    outcomes: Sequence[Outcome]

    @property
    def median(self) -> float:
        """Return the median until all knew."""
        return statistics.median(outcome.all_know_s for outcome in self.outcomes)

    @property
    def p99(self) -> float:
        """Return the 99th percentile until all knew."""
        return percentile([outcome.all_know_s for outcome in self.outcomes], 0.99)

    @property
    def false_deaths(self) -> int:
        """Return the number of false reports."""
        return sum(len(outcome.false_deaths) for outcome in self.outcomes)

    @property
    def remark(self) -> str:
        """Return what stands beside the median."""
        known = [outcome for outcome in self.outcomes if outcome.times]
        if not known:
            return f"of {len(self.outcomes)}; nobody reported it"
        first = statistics.median(outcome.first_knows_s for outcome in known)
        spread = max(max(o.times.values()) - min(o.times.values()) for o in known)
        busy = statistics.fmean(outcome.busy for outcome in self.outcomes)
        quickest = min(outcome.all_know_s for outcome in self.outcomes)
        return (
            f"of {len(self.outcomes)}, quickest {quickest:.2f}; the first of nine knows after "
            f"{first:.2f}, the last at most {spread:.2f} later; CPUs {100 * busy:.0f} % busy"
        )


def make_rows(outcomes: Sequence[Outcome], systems: Sequence[str]) -> list[Row]:
    """Return the rows; ours is to be below all others of the same run."""
    rows: list[Row] = []
    for fault in Fault:
        by_system = {
            system: Figures([o for o in outcomes if (o.system, o.fault) == (system, fault)])
            for system in systems
        }
        held = {system: figures for system, figures in by_system.items() if figures.outcomes}
        rivals = [figures for system, figures in held.items() if system != OURS]
        for system, figures in held.items():
            rows += _rows_of(fault, system, figures, rivals if system == OURS else None)
    return rows


def _rows_of(
    fault: Fault, system: str, figures: Figures, rivals: Sequence[Figures] | None
) -> list[Row]:
    """Return one system's rows; `rivals` are given for ours alone, which has targets."""
    what = f"SIG{fault.name}, {system}: until all others know"
    medians = [rival.median for rival in rivals or ()]
    p99s = [rival.p99 for rival in rivals or ()]
    if rivals is not None and fault is Fault.KILL:
        medians.append(KILLED_KNOWN_S)
        p99s.append(KILLED_KNOWN_S)
    longest = f"the longest of {len(figures.outcomes)}" if len(figures.outcomes) <= 100 else ""
    silent = sum(bool(outcome.silent) for outcome in figures.outcomes)
    return [
        Row(
            NAME,
            f"{what}, median",
            figures.median,
            "s",
            at_most=min(medians, default=None),
            remark=figures.remark,
        ),
        Row(
            NAME, f"{what}, p99", figures.p99, "s", at_most=min(p99s, default=None), remark=longest
        ),
        Row(
            NAME,
            f"SIG{fault.name}, {system}: false deaths",
            figures.false_deaths,
            at_most=0 if rivals is not None else None,
            remark=f"in {silent} of {len(figures.outcomes)} somebody never knew" if silent else "",
        ),
    ]
