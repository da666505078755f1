"""What `gcounterctl` prints: data on stdout, talk on stderr.

With `--json` stdout holds JSON and nothing else, errors included. Without, it holds text: tables
drawn for a terminal, lines with tabs for a pipe, so that `cut` and `sort` work. Keys and names
were chosen by others, so whatever is not JSON is escaped before a terminal sees it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from gcounterd.cli.failures import CallError
from gcounterd.daemon.printable import escape


@dataclass(frozen=True, slots=True)
class Output:
    """Prints for people, or for programs if `as_json`."""

    as_json: bool

    def line(self, text: str) -> None:
        """Print a line of data."""
        click.echo(escape(text))

    def row(self, cells: Sequence[object]) -> None:
        """Print a line of cells with tabs between."""
        click.echo("\t".join(escape(str(cell)) for cell in cells))

    def raw(self, data: bytes) -> None:
        """Print data as it is."""
        sys.stdout.buffer.write(data)

    def record(self, value: object) -> None:
        """Print one JSON value on one line, in ASCII, with all digits of its numbers."""
        click.echo(json.dumps(value))

    def say(self, text: str) -> None:
        """Talk to people."""
        click.echo(f"gcounterctl: {escape(text)}", err=True)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows under headers: drawn on a terminal, tab-separated elsewhere."""
        if not sys.stdout.isatty():
            self.row(headers)
            for row in rows:
                self.row(row)
            return
        # Imported here: it takes longer than everything else that the tool does.
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for header in headers:
            table.add_column(header, overflow="fold")
        for row in rows:
            # Text, since a name such as [red] would be read as markup.
            table.add_row(*(Text(escape(str(cell))) for cell in row))
        Console(highlight=False).print(table)

    def fail(self, failure: CallError) -> None:
        """Print why a verb failed, and whether it may have taken effect."""
        if self.as_json:
            error: dict[str, object] = {"code": failure.code, "message": failure.message}
            if failure.definite is not None:
                error["definite"] = failure.definite
            self.record({"error": error, **failure.more})
        self.say(f"{failure.message} [{failure.code}]")
        if failure.definite is not None:
            self.say(
                "definite: it did not take effect"
                if failure.definite
                else "indefinite: it may have taken effect"
            )
