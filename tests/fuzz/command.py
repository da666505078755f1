"""`scripts/fuzz`: let every target read for a while; print how much it read, and what was found.

Theory. The plain mutator runs everywhere; where atheris is installed, the same targets are led by
coverage as well. An input that fails is written to a file, with how to read it again. The exit
status says whether there was one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tests.fuzz import covering, mutating, stores
from tests.fuzz.targets import TARGETS, Target

FOLDER = Path(".fuzz")


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="For each target and way.")
@click.option("--seed", default=1, show_default=True, help="Of the plain mutator.")
@click.option("--target", "names", multiple=True, type=click.Choice([one.name for one in TARGETS]))
@click.option(
    "--way",
    type=click.Choice(["all", "mutator", "coverage"]),
    default="all",
    show_default=True,
    help="Coverage needs atheris: the extra `fuzz`.",
)
@click.option("--read", type=click.Path(exists=True, path_type=Path), help="Read one file again.")
def main(seconds: float, seed: int, names: Sequence[str], way: str, read: Path | None) -> None:
    """Feed bytes that nobody should send to everything that reads bytes."""
    chosen = [one for one in TARGETS if not names or one.name in names]
    try:
        if read is not None:
            for one in chosen:
                one.run(read.read_bytes())
            return
        found = 0
        if way != "coverage":
            found += sum(_mutate(one, seconds, seed) for one in chosen)
        if way != "mutator" and covering.is_there():
            found += sum(_cover(one, seconds) for one in chosen)
        elif way == "coverage":
            sys.exit("scripts/fuzz: atheris is not installed")
    finally:
        stores.sweep()
    sys.exit(1 if found else 0)


def _mutate(target: Target, seconds: float, seed: int) -> int:
    outcome = mutating.run(target, seconds=seconds, seed=seed)
    rate = outcome.executions / max(outcome.seconds, 1e-9)
    click.echo(
        f"{target.name}, mutator: {outcome.executions:,} inputs, {rate:,.0f}/s, "
        f"{outcome.peak:,} bytes at most, {len(outcome.finds)} finds"
    )
    for find in outcome.finds:
        path = FOLDER / f"{target.name}-{hashlib.sha256(find.data).hexdigest()[:12]}"
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(find.data)
        click.echo(f"{find.text}scripts/fuzz --target {target.name} --read {path}", err=True)
    return len(outcome.finds)


def _cover(target: Target, seconds: float) -> int:
    covered = covering.cover(target.name, list(target.examples()), FOLDER, seconds)
    click.echo(
        f"{target.name}, coverage: {covered.executions:,} inputs, "
        f"{covered.executions / seconds:,.0f}/s, {covered.features:,} features of the code, "
        f"{len(covered.finds)} finds"
    )
    for path in covered.finds:
        click.echo(f"scripts/fuzz --target {target.name} --read {path}", err=True)
    return len(covered.finds)
