"""`scripts/soak`: play the scenarios of the membership over many seeds, print one table.

`scripts/soak chaos`, `histories` and `search` are other things: see `tests.chaos`,
`tests.histories` and `tests.search`.

A line with a violation ends in the command that repeats it. The exit status says whether there was
none.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import attrs
import click

from tests.chaos.command import chaos
from tests.histories.command import histories
from tests.search.__main__ import main as search
from tests.soak.catalogue import SCENARIOS
from tests.soak.live import LIVE
from tests.soak.live_command import play_live
from tests.soak.scenario import Played, Scenario, play

ROOT = Path(__file__).resolve().parents[2]


@attrs.define
class Row:
    """One scenario's sums; seconds are of one core."""

    scenario: Scenario
    seeds: int = 0
    violations: int = 0
    worst: float = 0.0
    seconds: float = 0.0

    def add(self, played: Played, seconds: float) -> None:
        """Take in one seed."""
        self.seeds += 1
        self.violations += bool(played.violation)
        self.worst = max(self.worst, played.figure)
        self.seconds += seconds

    def line(self) -> str:
        """Return this as a line of a Markdown table."""
        scenario = self.scenario
        figure = f"{self.worst:.4g} {scenario.figure}"
        return (
            f"| {scenario.name} | {scenario.says} | {self.seeds} | {self.violations} | {figure} |"
        )


HEAD = "| scenario | what must come out | seeds | violations | worst |\n|---|---|---|---|---|"


@click.group(invoke_without_command=True)
@click.option("--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Repeatable.")
@click.option("--seeds", default=200, show_default=True, help="Of each scenario.")
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option("--minutes", default=25.0, show_default=True, help="Then print what was played.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--live", is_flag=True, help="Once each, with real processes, where there is such.")
@click.pass_context
def main(context: click.Context, /, only: tuple[str, ...], live: bool, **options: Any) -> None:
    """Play every scenario of the membership over many seeds."""
    if context.invoked_subcommand is not None:
        return
    if live:
        _play_live(only)
    _play_simulated(only, **options)


def _play_simulated(
    only: tuple[str, ...], seeds: int, first: int, minutes: float, jobs: int
) -> NoReturn:
    rows = {name: Row(SCENARIOS[name]) for name in only or SCENARIOS}
    tasks = [  # all scenarios of one seed before the next, so that time is fairly shared
        (name, seed)
        for seed in range(first, first + seeds)
        for name, row in rows.items()
        if seed < first + max(1, round(seeds * row.scenario.share))
    ]
    end = time.monotonic() + 60 * minutes
    for name, played, seconds in _play_all(tasks, jobs):
        rows[name].add(played, seconds)
        if played.violation:
            again = f"scripts/soak --only {name} --seeds 1 --first {played.seed}"
            click.echo(f"{name}, seed {played.seed}: {played.violation}\n    repeat: {again}")
            if len(tasks) == 1:
                click.echo(played.where)
        if time.monotonic() > end:
            break
    spent = sum(row.seconds for row in rows.values())
    runs = sum(row.seeds for row in rows.values())
    click.echo(f"{_commit_and_date()}, {runs:,} runs, {spent:,.0f} s of one core\n")
    click.echo(HEAD)
    for row in rows.values():
        click.echo(row.line())
    sys.exit(1 if any(row.violations for row in rows.values()) else 0)


def _play_live(only: tuple[str, ...]) -> NoReturn:
    missing = [name for name in only if name not in LIVE]
    if missing:
        raise click.UsageError(
            f"not played live: {', '.join(missing)}; there are {', '.join(LIVE)}"
        )
    click.echo(f"{_commit_and_date()}, live\n")
    sys.exit(1 if play_live(only or LIVE) else 0)


def _play_all(tasks: list[tuple[str, int]], jobs: int) -> Iterator[tuple[str, Played, float]]:
    if jobs == 1:
        yield from map(_play, tasks)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap_unordered(_play, tasks)


def _play(task: tuple[str, int]) -> tuple[str, Played, float]:
    name, seed = task
    began = time.process_time()
    played = play(SCENARIOS[name], seed)
    return name, played, time.process_time() - began


def _commit_and_date() -> str:
    return f"commit {_commit()}, {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')}"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


main.add_command(chaos)
main.add_command(histories)
main.add_command(search, "search")


if __name__ == "__main__":
    main()
