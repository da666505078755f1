"""Rows: what a benchmark found, against what it should be; as a table and as JSON.

A row without a bound is measured for information. A row without a value says why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

HEADINGS = ("row", "what", "measured", "target", "verdict", "remark")


@attrs.frozen
class Row:
    """One figure. `name` is the benchmark's; at most one of the bounds is given.

    value  None if it could not be measured: then `remark` says why
    """

    name: str
    what: str
    value: float | None
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    remark: str = ""

    @property
    def verdict(self) -> str:
        """Return `pass`, `FAIL`, `measured`, or `not available`."""
        if self.value is None:
            return "not available"
        if self.at_most is None and self.at_least is None:
            return "measured"
        low = self.at_least is None or self.value >= self.at_least
        high = self.at_most is None or self.value <= self.at_most
        return "pass" if low and high else "FAIL"

    @property
    def target(self) -> str:
        """Return the bound in words, empty without one."""
        if self.at_most is not None:
            return f"≤ {show_number(self.at_most)} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"≥ {show_number(self.at_least)} {self.unit}".rstrip()
        return ""

    @property
    def measured(self) -> str:
        """Return the value in words."""
        return "" if self.value is None else f"{show_number(self.value)} {self.unit}".rstrip()

    def as_json(self) -> dict[str, object]:
        """Return everything, with the verdict."""
        return {**attrs.asdict(self), "verdict": self.verdict}


def show_number(value: float) -> str:
    """Write a number with three digits that count, and groups of thousands."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def tabulate(rows: Sequence[Row]) -> str:
    """Return a Markdown table, padded so that it reads well in a terminal too."""
    cells = [HEADINGS] + [
        (row.name, row.what, row.measured, row.target, row.verdict, row.remark) for row in rows
    ]
    widths = [max(len(line[at]) for line in cells) for at in range(len(HEADINGS))]
    lines = [
        _line([cell.ljust(width) for cell, width in zip(c, widths, strict=True)]) for c in cells
    ]
    return "\n".join([lines[0], _line(["-" * width for width in widths]), *lines[1:]])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
