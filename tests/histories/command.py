"""`scripts/soak histories`: record what clients see, simulated and of real processes, and check it.

Exits 0 if nothing was wrong; else the histories, and of real nodes data and logs, are kept.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

import attrs
import click
import trio

from tests.chaos.play import Report, Settings
from tests.chaos.play import play as play_chaos
from tests.histories.checker import RULES, check
from tests.histories.history import BadHistory, read_lines
from tests.histories.live import open_crowd
from tests.histories.simulated import Played, play

NODES_SIMULATED = 5
# Findings shown of one seed; the history that is kept has them all.
SHOWN_MAX = 5


@attrs.define
class Sums:
    """What came of all histories of one kind."""

    histories: int = 0
    wrong: int = 0
    outcomes: Counter[str] = attrs.Factory(Counter)
    judged: Counter[str] = attrs.Factory(Counter)

    def lines(self, what: str) -> Iterator[str]:
        """Yield a table: what clients did, and how often each rule judged."""
        yield f"\n{what}: {self.histories} histories, {self.wrong} wrong\n"
        yield "| operation | ok | refused | unknown |\n|---|---|---|---|"
        for kind in ("increment", "read", "consistent"):
            counts = (self.outcomes[f"{kind} {end}"] for end in ("ok", "refused", "unknown"))
            yield f"| {kind} | {' | '.join(f'{number:,}' for number in counts)} |"
        yield "\n| rule | judged |\n|---|---|"
        for rule in RULES:
            yield f"| {rule} | {self.judged[rule]:,} |"


@click.command()
@click.option("--seeds", default=200, show_default=True, help="Simulated, a minute of each.")
@click.option("--first", default=0, show_default=True, help="The first seed.")
@click.option("--jobs", default=1, show_default=True, help="Processes that simulate.")
@click.option("--minutes", default=10.0, show_default=True, help="Of faults to real processes.")
@click.option("--nodes", default=5, show_default=True, help="Real ones, at first.")
@click.option("--seed", default=1, show_default=True, help="Of the real ones' faults.")
@click.option("--rate", default=150.0, show_default=True, help="Operations a second, real ones.")
@click.option("--check", "file", type=click.File("r"), help="Check a history that was kept.")
def histories(
    seeds: int,
    first: int,
    jobs: int,
    minutes: float,
    nodes: int,
    seed: int,
    rate: float,
    file: TextIO | None,
) -> None:
    """Hold what clients see against what a counter may show, under every fault we know."""
    if file is not None:
        sys.exit(_check(file))
    directory = Path(tempfile.mkdtemp(prefix="gcounterd-histories-"))
    began, wrong = time.monotonic(), 0
    if seeds:
        wrong += _simulate(range(first, first + seeds), jobs, directory)
        click.echo(f"\n{time.monotonic() - began:.0f} s", err=True)
    if minutes:
        wrong += _play_live(Settings(seed, nodes, 60 * minutes, None, rate), directory)
    if wrong:
        click.echo(f"the histories, data and logs are in {directory}", err=True)
    else:
        shutil.rmtree(directory)
    sys.exit(1 if wrong else 0)


def _check(file: TextIO) -> int:
    try:
        verdict = check(read_lines(file))
    except BadHistory as error:
        raise click.ClickException(str(error)) from error
    for finding in verdict.findings:
        click.echo(finding)
    click.echo(f"{len(verdict.findings)} findings, {verdict.judged.total():,} judgements")
    return 1 if verdict.findings else 0


def _simulate(seeds: range, jobs: int, directory: Path) -> int:
    sums = Sums()
    for played in _play_all(seeds, jobs):
        sums.histories += 1
        sums.outcomes += played.tally
        sums.judged += played.verdict.judged
        if played.wrong:
            sums.wrong += 1
            kept = directory / f"seed-{played.seed}.jsonl"
            kept.write_text("".join(f"{line}\n" for line in played.history.lines()))
            click.echo(f"seed {played.seed}: {len(played.wrong)} findings, history in {kept}")
            for text in played.wrong[:SHOWN_MAX]:
                click.echo(f"    {text}")
            click.echo(f"    repeat: scripts/soak histories --seeds 1 --first {played.seed}")
    click.echo("\n".join(sums.lines("simulated")))
    return sums.wrong


def _play_all(seeds: range, jobs: int) -> Iterator[Played]:
    if jobs == 1:
        yield from map(_play_seed, seeds)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap_unordered(_play_seed, seeds)


def _play_seed(seed: int) -> Played:
    """Play a seed; in every second one members are removed and added."""
    return play(seed, NODES_SIMULATED, 1.0, removals=seed % 2 == 1)


def _play_live(settings: Settings, directory: Path) -> int:
    opener = partial(open_crowd, kept=directory / "live.jsonl")
    report: Report = trio.run(play_chaos, settings, directory, _show, opener)
    judged = Counter({rule: report.counts.get(f"judged: {rule}", 0) for rule in RULES})
    sums = Sums(1, int(bool(report.story.wrong)), Counter(report.counts), judged)
    what = f"real processes, {report.rounds} rounds, {report.steps} faults"
    click.echo("\n".join(sums.lines(what)))
    click.echo(f"\n{report.story.tabulate()}")
    for text in report.story.wrong:
        click.echo(f"WRONG: {text}")
    return len(report.story.wrong)


def _show(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    histories()
