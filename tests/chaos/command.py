"""`scripts/soak chaos`: play chaos to a cluster of real processes, print what came of it.

Exits 0 if nothing was wrong; else the log, and the nodes' data and logs, are kept.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import trio

from tests.chaos.play import Report, Settings, play
from tests.chaos.schedule import REMOVING, WEIGHTS


@click.command()
@click.option("--seed", default=1, show_default=True, help="Decides the order of faults.")
@click.option("--nodes", default=7, show_default=True)
@click.option("--minutes", default=30.0, show_default=True, help="Then mend and end.")
@click.option("--rounds", type=int, help="At most so many.")
@click.option("--rate", default=3000.0, show_default=True, help="Increments a second offered.")
@click.option("--without", "left_out", multiple=True, type=click.Choice(list(WEIGHTS)))
@click.option("--no-removals", is_flag=True, help="Leave out all that takes nodes out.")
@click.option("--keep", is_flag=True, help="Keep the log, data and nodes' logs in any case.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the tables.")
@click.option("--quiet", is_flag=True, help="Do not show the log as it is written.")
def chaos(
    minutes: float,
    left_out: tuple[str, ...],
    no_removals: bool,
    keep: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Kill, pause, cut, add and remove nodes of a cluster under load, and check every number."""
    dropped = (*left_out, *(REMOVING if no_removals else ()))
    verbs = tuple(verb for verb in WEIGHTS if verb not in dropped)
    settings = Settings(seconds=60 * minutes, verbs=verbs, **options)
    directory = Path(tempfile.mkdtemp(prefix=f"gcounterd-chaos-{settings.seed}-"))
    failed = True
    try:
        report = trio.run(play, settings, directory, _hide if quiet else _show)
        failed = bool(report.story.wrong)
    finally:
        if failed or keep:
            click.echo(f"the log, data and nodes' logs are in {directory}", err=True)
        else:
            shutil.rmtree(directory)
    click.echo(json.dumps(report.as_json()) if as_json else show_report(report))
    sys.exit(1 if failed else 0)


def show_report(report: Report) -> str:
    """Return the report for people."""
    counts = ", ".join(f"{name} {number:,}" for name, number in sorted(report.counts.items()))
    lines = [
        f"seed {report.settings.seed}, {report.settings.nodes} nodes at first",
        f"{report.rounds} rounds, {report.steps} faults, {report.seconds:.0f} s",
        f"{report.rate:,.0f} increments answered a second; {counts}",
        *report.story.show_waits(),
        *(f"{what}: {times}" for what, times in sorted(report.story.notes.items())),
        "",
        report.story.tabulate(),
        "",
        *(f"WRONG: {text}" for text in report.story.wrong),
    ]
    return "\n".join(lines)


def _show(line: str) -> None:
    click.echo(line, err=True)


def _hide(_: str) -> None:
    """Show nothing."""


if __name__ == "__main__":
    chaos()
