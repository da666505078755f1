"""Audits: what all places showed of one key when everything was at rest, and what that tells.

Theory. At rest a value is a sum of increments, so it tells what became of those that nobody knew
of: of the sums that are acceptable, some have a given increment and some not, and where only one of
the two can make the value, that increment has counted, or has not. What one audit has told is
settled: the next one begins from its value.

This module refuses to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from tests.histories.history import Loss, Operation, Outcome
from tests.histories.moments import Increment
from tests.histories.sums import Sums, find_sums


@attrs.frozen
class Base:
    """What the totals of an audit are counted from: a value at a moment, and what that was."""

    value: int
    since: float
    what: str


START = Base(0, float("-inf"), "the start")


@attrs.frozen
class Audit:
    """All reads of one key at one rest, and what came before them.

    before  the audit before, if there was one at which all agreed
    """

    reads: list[Operation]
    increments: list[Increment]
    losses: Sequence[Loss]
    before: Audit | None = None

    @property
    def began(self) -> float:
        """Return when the first of its reads was invoked."""
        return min(read.invoked for read in self.reads)

    @property
    def values(self) -> dict[int, str]:
        """Return what was shown, each with one of the places that did."""
        return {read.value: read.place for read in self.reads if read.value is not None}

    def bases(self) -> list[Base]:
        """Return what its totals may be counted from, the latest last."""
        before = self.before
        if before is None or not before.survives(self.began):
            return [START]
        (value,) = before.values
        return [START, Base(value, before.began, "the audit before")]

    def survives(self, until: float) -> bool:
        """Say whether a place that was read here has kept its disk until then."""
        lost = {loss.place: None for loss in self.losses if self.began <= loss.at <= until}
        return any(read.place not in lost for read in self.reads)

    def acceptable(self, base: Base) -> Sums:
        """Return the totals that are acceptable from `base` on."""
        sure, optional = self._split(base)
        return find_sums(sure, (increment.amount for increment in optional))

    def fates(self) -> Iterator[tuple[Increment, bool]]:
        """Yield the increments of which only this audit tells whether they counted.

        What was asked for where a disk was lost since, or out of reach, may still come, so it is
        left out.
        """
        if len(self.values) != 1:
            return
        lost = {loss.place: loss.at for loss in sorted(self.losses, key=lambda loss: loss.at)}
        (value,) = self.values
        sure, optional = self._split(self.bases()[-1])
        for increment in optional:
            others = find_sums(sure, (each.amount for each in optional if each is not increment))
            with_it, without = value - increment.amount in others, value in others
            is_settled = all(
                lost.get(each.place, -1.0) < increment.invoked for each in increment.attempts
            )
            if with_it != without and is_settled:
                yield increment, with_it

    def _split(self, base: Base) -> tuple[int, list[Increment]]:
        """Return the sum of what surely counts by now, and the increments that may or may not.

        What nobody knew at the base is in its value or never will be, unless its disk was out of
        reach.
        """
        away = {loss.place: None for loss in self.losses if loss.at <= base.since}
        sure, optional = base.value, list[Increment]()
        for increment in self.increments:
            outcome = increment.outcome
            if outcome is Outcome.REFUSED or increment.invoked >= self.began:
                continue
            is_sure = outcome is Outcome.OK and increment.forgiven > self.began
            is_new = increment.invoked > base.since
            if is_sure and is_new:
                sure += increment.amount
            elif not is_sure and (is_new or any(each.place in away for each in increment.attempts)):
                optional.append(increment)
        return sure, optional


def find_audits(
    operations: Sequence[Operation], increments: list[Increment], losses: Sequence[Loss]
) -> list[Audit]:
    """Return the audits of one key in their order, each with the one before it."""
    reads: dict[int, list[Operation]] = {}
    for each in operations:
        if each.final and each.outcome is Outcome.OK:
            reads.setdefault(each.final, []).append(each)
    audits: list[Audit] = []
    for number in sorted(reads):
        before = audits[-1] if audits and len(audits[-1].values) == 1 else None
        audits.append(Audit(reads[number], increments, losses, before))
    return audits
