"""Progress: removals as they go on, for a terminal, for a log, for a program.

Theory. All three are told of the same states, as often as they are looked at, and differ in what
they do with them. A program gets an event when something changed: the phase, or whom is waited for
and why. So does a log, as a line. A terminal has the lines that stay when a phase ends, and under
them one that lives, where the seconds of waiting run.

Everything here goes to stderr, but for the events of a program, which are its data. This module
refuses to know how states are got.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from gcounterd.cli.output import Output
from gcounterd.cli.removal_words import (
    Removal,
    describe_phase,
    describe_progress,
    describe_waiting,
    waited_for,
)
from gcounterd.cli.words import lasting
from gcounterd.daemon.printable import escape

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


class Progress(Protocol):
    """Whoever is told how removals go on."""

    def show(self, removals: Iterable[Removal]) -> None:
        """Take note of all of them as they now are."""

    def note(self, event: str, text: str) -> None:
        """Take note of something else: a short constant for programs, a sentence for people."""


class _Changes:
    # Picks out the removals that are not as they were.
    def __init__(self) -> None:
        self._known: dict[str, object] = {}

    def among(self, removals: Iterable[Removal], *, whole: bool) -> list[Removal]:
        # `whole`: who is waited for counts as well as the phase; the seconds never do.
        changed = []
        for removal in removals:
            waiting = [(each.get("node"), each.get("why")) for each in waited_for(removal)]
            state = (removal["phase"], waiting if whole else None)
            if self._known.get(removal["id"]) != state:
                self._known[removal["id"]] = state
                changed.append(removal)
        return changed


class _Events:
    # A JSON object per change, on stdout.
    def __init__(self, output: Output) -> None:
        self._output = output
        self._changes = _Changes()

    def show(self, removals: Iterable[Removal]) -> None:
        for removal in self._changes.among(removals, whole=True):
            self._output.record({"event": "progress", "removal": removal})

    def note(self, event: str, text: str) -> None:
        self._output.record({"event": event, "message": text})


class _Lines:
    # A line per change.
    def __init__(self, output: Output) -> None:
        self._output = output
        self._changes = _Changes()

    def show(self, removals: Iterable[Removal]) -> None:
        for removal in self._changes.among(removals, whole=True):
            self._output.say(describe_progress(removal))

    def note(self, event: str, text: str) -> None:
        self._output.say(text)


class _Screen:
    # A line per phase, and a table that lives.
    def __init__(self, live: Live) -> None:
        self._live = live
        self._changes = _Changes()

    def show(self, removals: Iterable[Removal]) -> None:
        removals = list(removals)
        for removal in self._changes.among(removals, whole=False):
            self.note("", f"{removal['node']} {describe_phase(removal)}")
        self._live.update(_draw(removals), refresh=True)

    def note(self, event: str, text: str) -> None:
        # Printed by the console, above what lives; Text, since a name may look like markup.
        from rich.text import Text

        self._live.console.print(Text(f"gcounterctl: {escape(text)}"))


def _draw(removals: Iterable[Removal]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("node", "phase", "since", "waits for"):
        table.add_column(header, overflow="fold")
    for removal in removals:
        cells = (
            str(removal["node"]),
            str(removal["phase"]),
            lasting(removal.get("since_s")),
            describe_waiting(removal) or "-",
        )
        table.add_row(*(Text(escape(cell)) for cell in cells))
    return table


@contextmanager
def open_progress(output: Output) -> Iterator[Progress]:
    """Give whom to tell, by who reads: a program, a terminal, or a log."""
    if output.as_json:
        yield _Events(output)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        # Imported here: it takes longer than everything else that the tool does.
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield _Screen(live)
    else:
        yield _Lines(output)
