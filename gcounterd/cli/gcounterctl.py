"""The operator's tool: asks a running daemon over HTTP and prints the answer.

It imports Click, the standard library and, where a table is drawn, rich: no Trio and no NumPy, so
that it starts at once and works where the daemon is not installed whole. Each group of verbs has a
module; this one is their list. The exit statuses are in `failures`.
"""

from __future__ import annotations

import io
import sys

import click

from gcounterd import __version__
from gcounterd.cli import (
    adding,
    counter_verbs,
    draining,
    import_verbs,
    node_verbs,
    pki_verbs,
    removals,
    removing,
    store_verbs,
    token_verbs,
    watching,
)
from gcounterd.cli.manners import shared_options

VERBS: tuple[click.Command, ...] = (
    node_verbs.status,
    node_verbs.members,
    node_verbs.health,
    adding.add_node,
    removing.remove_node,
    removals.removals,
    removals.forget,
    draining.drain,
    draining.undrain,
    counter_verbs.incr,
    counter_verbs.get,
    counter_verbs.top,
    watching.watch,
    import_verbs.import_,
    import_verbs.start_at,
    import_verbs.imports,
    import_verbs.export,
    store_verbs.verify,
    store_verbs.backup,
    pki_verbs.pki,
    token_verbs.token,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@shared_options
@click.version_option(__version__, prog_name="gcounterctl")
def main() -> None:
    """Look at and work with a running gcounterd.

    Options may stand before or after the verb; the later one holds. Data goes to stdout, talk to
    stderr. NO_COLOR is honoured, and nothing is ever asked for but by remove-node on a terminal.

    Exit status: 0 done, 1 failed, 2 usage, 3 not finished in time, 4 unreachable, 5 refused by a
    safety check.
    """
    # A key that the terminal's encoding lacks must not end a listing halfway.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


for _verb in VERBS:
    main.add_command(_verb)
