"""`scripts/mutants`: let the tests find all deliberate bugs, and print what came of it.

Theory. First the finders run once without a mutant: what fails then proves nothing. Then each
mutant is tried by itself. The exit status says whether one was not found.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable

import click

from tests.mutants.catalogue import BUGS, MUTANTS
from tests.mutants.mutant import Finder, Mutant
from tests.mutants.trial import ROOT, Verdict, copy_tree, run_finder, try_mutant

HEAD = "| mutant | what goes wrong | found by | seconds |\n|---|---|---|---|"


def control(mutants: Iterable[Mutant], seconds: float) -> list[Verdict]:
    """Return what the finders of some mutants say of the code as it is, but for "survived"."""
    finders: dict[Finder, None] = dict.fromkeys(f for mutant in mutants for f in mutant.finders)
    with copy_tree(ROOT) as folder:
        verdicts = [run_finder(finder, folder, seconds) for finder in finders]
    return [verdict for verdict in verdicts if verdict.outcome != "survived"]


def line(mutant: Mutant, verdicts: list[Verdict]) -> str:
    """Return what came of a mutant as a line of a Markdown table."""
    told = "; ".join(
        f"`{verdict.by}`" if verdict.outcome == "found" else f"{verdict.outcome}: {verdict.by}"
        for verdict in verdicts
    )
    seconds = sum(verdict.seconds for verdict in verdicts)
    return f"| {mutant.name} | {mutant.says} | {told} | {seconds:.1f} |"


def describe(mutant: Mutant) -> str:
    """Return a mutant for `--list`."""
    finders = "".join(f"\n    found by {finder.says}" for finder in mutant.finders)
    instead = f"\n    {mutant.instead}" if mutant.instead else ""
    return f"{mutant.name} ({mutant.bug})\n    {mutant.says}{instead}\n    {mutant.file}{finders}"


def to_json(mutant: Mutant, verdicts: list[Verdict]) -> dict[str, object]:
    """Return what came of a mutant as an object."""
    return {
        "name": mutant.name,
        "bug": mutant.bug,
        "says": mutant.says,
        "verdicts": [
            {"outcome": each.outcome, "by": each.by, "seconds": round(each.seconds, 1)}
            for each in verdicts
        ],
    }


@click.command()
@click.option("--list", "lists", is_flag=True, help="Say what there is, and run nothing.")
@click.option("--only", multiple=True, type=click.Choice([mutant.name for mutant in MUTANTS]))
@click.option("--limit", default=120.0, show_default=True, help="Seconds for one finder.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mutant.")
def main(lists: bool, only: tuple[str, ...], limit: float, as_json: bool) -> None:
    """Change the code in one place at a time, and see that the tests notice."""
    chosen = [mutant for mutant in MUTANTS if not only or mutant.name in only]
    if lists:
        click.echo("\n".join(describe(mutant) for mutant in chosen))
        return
    started = time.monotonic()
    for verdict in (failed := control(chosen, limit)):
        click.echo(f"without a mutant: {verdict.outcome}: {verdict.by}", err=True)
    if failed:
        sys.exit(1)
    if not as_json:
        click.echo(f"without a mutant nothing fails, {time.monotonic() - started:.1f} s")
    survivors = _try_all(chosen, limit, as_json)
    if not as_json:
        click.echo(f"\n{len(chosen)} mutants, {time.monotonic() - started:.1f} s")
    for name in survivors:
        click.echo(f"not found: {name}", err=True)
    sys.exit(1 if survivors else 0)


def _try_all(mutants: list[Mutant], limit: float, as_json: bool) -> list[str]:
    """Try mutants by their bugs, print what came of each, and return those that were not found."""
    survivors = []
    for bug, says in BUGS.items():
        group = [mutant for mutant in mutants if mutant.bug == bug]
        if group and not as_json:
            click.echo(f"\n**{says}**\n\n{HEAD}")
        for mutant in group:
            verdicts = try_mutant(mutant, limit)
            text = json.dumps(to_json(mutant, verdicts)) if as_json else line(mutant, verdicts)
            click.echo(text)
            if any(verdict.outcome != "found" for verdict in verdicts):
                survivors.append(mutant.name)
    return survivors
