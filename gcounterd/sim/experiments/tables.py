"""Tables: what an experiment found, as Markdown between two markers of a document.

Theory. A figure that nobody can repeat is a rumour, so each table carries the command, the seeds,
the commit and the day. The document around it is written by people and stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

Cell = str | int | float


@attrs.frozen
class Table:
    """Rows under a head; numbers are shown short."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join("| " + " | ".join([_show(cell) for cell in row]) + " |" for row in lines)


def _show(cell: Cell) -> str:
    if isinstance(cell, float):
        return "-" if cell != cell else f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def write_between(document: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of `name`; raise `ValueError` without them."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{document} has no markers of {name}")
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def ratio(part: float, whole: float) -> str:
    """Return a share in per cent, "-" of nothing."""
    return f"{100 * part / whole:.2f} %" if whole else "-"


def shares(values: Sequence[float]) -> str:
    """Return some figures in one cell."""
    return " / ".join(_show(value) for value in values)
