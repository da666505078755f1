"""Which totals are acceptable where some increments counted or not: Maelstrom's rule.

Theory. What was answered counts. Of what was never answered any part may have, so the total is the
sum of the answered, plus the sum of some subset of the unanswered. Maelstrom keeps that set as
intervals; with amounts that differ it is sparse, and an integer whose bits are the sums keeps it
exactly: adding an amount is one shift and one or. With very many unanswered, or very large ones,
only the hull is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

# Unanswered increments whose sums are kept exactly, and the sum of all of them: bits.
EXACT_MAX = 200
BITS_MAX = 4_000_000
# Intervals shown of a set; the rest is an ellipsis.
SHOWN_MAX = 4


@attrs.frozen
class Sums:
    """The totals `base` + i for each bit i of `bits`, or all of base … base + most."""

    base: int
    most: int
    bits: int | None

    def __contains__(self, total: int) -> bool:
        over = total - self.base
        if not 0 <= over <= self.most:
            return False
        return self.bits is None or bool(self.bits >> over & 1)

    def intervals(self) -> list[tuple[int, int]]:
        """Return the set as closed intervals, ascending."""
        if self.bits is None:
            return [(self.base, self.base + self.most)]
        found: list[tuple[int, int]] = []
        text = f"{self.bits:b}"[::-1]
        start = text.find("1")
        while start >= 0:
            end = text.find("0", start)
            end = len(text) if end < 0 else end
            found.append((self.base + start, self.base + end - 1))
            start = text.find("1", end)
        return found

    def __str__(self) -> str:
        parts = self.intervals()
        shown = [f"{low}" if low == high else f"{low} to {high}" for low, high in parts]
        if len(shown) > SHOWN_MAX:
            shown[SHOWN_MAX - 1 : -1] = ["…"]
        return ", ".join(shown)


def find_sums(base: int, optional: Iterable[int]) -> Sums:
    """Return all totals of `base` and some of the optional amounts (each above 0)."""
    amounts = list(optional)
    most = sum(amounts)
    if len(amounts) > EXACT_MAX or most > BITS_MAX:
        return Sums(base, most, None)
    bits = 1
    for amount in amounts:
        bits |= bits << amount
    return Sums(base, most, bits)
