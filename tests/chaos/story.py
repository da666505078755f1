"""The story of a run: a log to read, what was wrong, and a table of which fault met what.

Theory. A fault proves something only where it meets something. So each is counted under all that
was going on when it was done: other nodes down, stopped or cut off, a newcomer that is not ready
yet, and the phases of the removals that a member told of.

This module refuses to know what caused what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import trio

# What a fault may meet; a phase that no row has is not shown.
MET = (
    "all well",
    "one down",
    "one paused",
    "a cut",
    "one not ready",
    "one returning",
    "draining",
    "saving",
    "closing",
)


class Story:
    """What happened. `show` is given each line as well."""

    def __init__(self, log: Path, show: Callable[[str], None]) -> None:
        self.wrong: list[str] = []
        self.notes: Counter[str] = Counter()
        self.waits: dict[str, list[float]] = {}
        self._log = log
        self._show = show
        self._met: dict[str, Counter[str]] = {}
        self._began = trio.current_time()

    @property
    def seconds(self) -> float:
        """Return how long this has been going on."""
        return trio.current_time() - self._began

    def say(self, text: str) -> None:
        """Write a line."""
        line = f"{self.seconds:8.2f}  {text}"
        with self._log.open("a") as log:
            log.write(line + "\n")
        self._show(line)

    def complain(self, text: str) -> None:
        """Write down something that must not be."""
        self.wrong.append(text)
        self.say(f"WRONG: {text}")

    def fault(self, verb: str, met: Iterable[str]) -> None:
        """Count a fault under all that it met, each named once."""
        row = self._met.setdefault(verb, Counter())
        row["times"] += 1
        row.update(met)

    def took(self, what: str, seconds: float) -> None:
        """Keep how long something took."""
        self.waits.setdefault(what, []).append(seconds)

    def faults(self) -> dict[str, dict[str, int]]:
        """Return the table: by fault how often it was done, and how often it met what."""
        return {
            verb: {name: row[name] for name in ("times", *MET)} for verb, row in self._met.items()
        }

    def tabulate(self) -> str:
        """Return the table as Markdown."""
        head = ("fault", "times", *MET)
        lines = [head, tuple("---" for _ in head)]
        for verb, row in sorted(self.faults().items()):
            lines.append((verb, *(str(row[name] or "") for name in ("times", *MET))))
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def show_waits(self) -> list[str]:
        """Return how long things took: number, median and longest."""
        return [
            f"{what}: {len(took)}, median {sorted(took)[len(took) // 2]:.1f} s, "
            f"longest {max(took):.1f} s"
            for what, took in sorted(self.waits.items())
        ]
