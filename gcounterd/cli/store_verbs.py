"""Verbs about a node's store: `verify`, `backup`.

Both are done by the running daemon, which alone may touch its files; for a node that does not run
there is `gcounterd verify`. They take as long as the store is large, so they are waited for
longer than other requests.
"""

from __future__ import annotations

from pathlib import Path

import click

from gcounterd.cli.failures import EXIT_FAILED
from gcounterd.cli.manners import Call, verb
from gcounterd.cli.reports import describe_report

# Reading or copying a store of tens of GB, slowly, so that counting goes on meanwhile.
WHOLE_STORE_S_DEFAULT = 3600.0


@click.command()
@verb
@click.pass_context
def verify(context: click.Context, call: Call) -> None:
    """Check the store of the running node: exit status 0 if it is sound, 1 if not."""
    answer = call.waiting(WHOLE_STORE_S_DEFAULT).post("/v1/admin/verify", {})
    sound = answer.field("ok", bool)
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        for line in describe_report(answer.body):
            call.output.line(line)
    context.exit(0 if sound else EXIT_FAILED)


@click.command()
@verb
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
def backup(call: Call, file: Path) -> None:
    """Write a consistent copy of the store to a new FILE, on the host of the node."""
    path = str(file.absolute())
    if not path.isprintable():
        raise click.BadParameter("the path holds characters that do not print")
    answer = call.waiting(WHOLE_STORE_S_DEFAULT).post("/v1/admin/backup", {"path": path})
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        written = answer.field("bytes", int)
        call.output.line(f"{answer.body.get('path', path)}: {written} bytes")
