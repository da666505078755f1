"""Contests: contenders that are measured in turn, round by round, and compared with each other.

Theory. What else a machine does falls on whoever runs at that moment, so one long run of each says
little. Short runs in turn spread it over all, the medians drop the rounds that it hit, and the
shares of single rounds tell how far the result can be trusted. Which of them begins a round changes
from round to round, for a disk may still be busy with what the one before it wrote.

This module refuses to know what is measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Mapping

import attrs

from tests.bench.rows import show_number

Contender = Callable[[], Awaitable[float]]


@attrs.frozen
class Contest:
    """Rates by contender, a figure for each round, and why some did not take part."""

    rates: dict[str, list[float]] = attrs.Factory(dict)
    absent: dict[str, str] = attrs.Factory(dict)

    def note(self, who: str, rate: float) -> None:
        """Take the rate of a round."""
        self.rates.setdefault(who, []).append(rate)

    def median(self, who: str) -> float | None:
        """Return the median rate, None if it did not take part."""
        return statistics.median(self.rates[who]) if who in self.rates else None

    def spread(self, who: str) -> str:
        """Say of how many rounds the median is, and how far they lie apart."""
        return show_spread(self.rates[who])

    def share(self, who: str, other: str) -> float | None:
        """Return the share of one's median in the other's, None if one did not take part."""
        mine, theirs = self.median(who), self.median(other)
        return mine / theirs if mine is not None and theirs else None

    def share_spread(self, who: str, other: str) -> str:
        """Say how far the shares of single rounds lie apart; both took part in all rounds."""
        pairs = zip(self.rates[who], self.rates[other], strict=True)
        return show_spread([mine / theirs for mine, theirs in pairs])


def show_spread(figures: list[float]) -> str:
    """Return `of 5, 1.1 to 1.3`."""
    return f"of {len(figures)}, {show_number(min(figures))} to {show_number(max(figures))}"


async def play(contest: Contest, contenders: Mapping[str, Contender], rounds: int) -> None:
    """Let all contenders run once in each round, and note what they say."""
    order = list(contenders)
    for _ in range(rounds):
        for who in order:
            contest.note(who, await contenders[who]())
        order = [*order[1:], *order[:1]]
