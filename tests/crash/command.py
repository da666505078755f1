"""`scripts/crash-images`: power cuts at every point of recorded stories, and what came back.

Theory. Each round plays all stories with real daemons, so no two rounds are the same; each
recording is cut thousands of times, then a sample of what was left is cut again during recovery,
then the same is done on a disk that lies. The exit status says whether anything that was promised
was missing.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import click

from tests.crash.again import cut_again
from tests.crash.disk import compare_whole
from tests.crash.judging import Judge, Recording, Verdict
from tests.crash.recording import build, fast_folder, program, read_log
from tests.crash.recovery import Recoverer
from tests.crash.small import hush, shrink
from tests.crash.stories import FOREIGN, STORIES, Story, play
from tests.crash.sweeping import sweep
from tests.fuzz import stores

# Of syncs, on the disk that lies.
LIES = 0.05
# Of the cuts, how many are on that disk.
LYING_SHARE = 0.2
COLUMNS = ("points", "cuts", "images", "backups", "lied", "refused")


@attrs.define(eq=False)
class Bench:
    """Where recordings are made and images recovered."""

    folder: Path
    shim: Path
    recoverer: Recoverer

    def record(self, story: Story) -> Recording:
        """Play a story and return its recording, which was compared with what is there."""
        root, log = self.folder / "root", self.folder / "log"
        shutil.rmtree(root, ignore_errors=True)
        log.unlink(missing_ok=True)
        command = (*program(self.shim, root, log), sys.executable, "-m", "tests.crash.small")
        play(story, root, log, (*command, "run"))
        recording = Recording(tuple(read_log(log)), story.folders())
        compare_whole(recording.calls, recording.folders, root, FOREIGN)
        return recording

    def judge(
        self, recording: Recording, node: str, seed: int, cuts: int
    ) -> Iterator[tuple[str, Verdict]]:
        """Judge one node's images on an honest disk, cut twice, and on one that lies."""
        judge = Judge(recording, node, self.recoverer, seed)
        yield "honest", judge.run(cuts)
        again = self.folder / "again"
        again.mkdir()
        yield "cut again", cut_again(judge.samples, judge, self.recoverer, self.shim, again)
        shutil.rmtree(again)
        yield "lying", judge.run(round(cuts * LYING_SHARE), lies=LIES)


def open_bench(folder: Path) -> Bench | None:
    """Return a bench in a folder, and lower the limits of this process; None without a compiler."""
    library = build(folder)
    shrink()
    hush()
    return Bench(folder, library, Recoverer(folder)) if library else None


@click.command()
@click.option("--images", default=100_000, show_default=True, help="Different images to recover.")
@click.option("--cuts", default=6000, show_default=True, help="Of each node in each recording.")
@click.option("--seed", default=1, show_default=True, help="What is drawn; not what daemons do.")
@click.option("--story", "names", multiple=True, type=click.Choice(list(STORIES)))
@click.option("--keep", is_flag=True, help="Keep recordings where something is wrong.")
@click.option("--sweeps", is_flag=True, help="Let each call fail in its turn instead.")
@click.option("--flips", is_flag=True, help="Change a bit of each byte of each file instead.")
def main(
    images: int, cuts: int, seed: int, names: Sequence[str], keep: bool, sweeps: bool, flips: bool
) -> None:
    """Cut the power of recorded daemons at every point, and see what comes back."""
    folder = fast_folder()
    bench = open_bench(folder)
    if bench is None:
        sys.exit("crash-images: there is no C compiler; scripts/tools cc installs one")
    problems: list[str] = []
    try:
        if sweeps:
            problems += _sweep(bench)
        elif flips:
            problems += _flip()
        else:
            problems += _cut(bench, images, cuts, seed, names or ("long", "cluster"))
    finally:
        if not (keep and problems):
            shutil.rmtree(folder)
    for problem in problems:
        click.echo(problem, err=True)
    sys.exit(1 if problems else 0)


def _cut(bench: Bench, images: int, cuts: int, seed: int, names: Sequence[str]) -> list[str]:
    """Play and cut until there are so many images, or something is wrong."""
    started, total = time.monotonic(), Verdict()
    while total.images < images and not total.problems:
        for name in names:
            total.add(_round(bench, name, seed, cuts))
        seed += 1
        _tell("all", "so far", total, started)
    return total.problems


def _flip() -> list[str]:
    """Change one bit of each byte, and print what came of it."""
    started = time.monotonic()
    try:
        outcomes, problems = stores.flip(1)
    finally:
        stores.sweep()
    for outcome, number in sorted(outcomes.items()):
        click.echo(f"{outcome}: {number:,}")
    seconds = time.monotonic() - started
    click.echo(f"{outcomes.total():,} bytes, {len(problems)} problems, {seconds:.1f} s")
    return problems


def _sweep(bench: Bench) -> list[str]:
    """Let each call fail in its turn, and print how many there were of each kind."""
    lines = sweep(bench.shim, bench.folder, 1)
    for line in lines:
        click.echo(f"{line['fault']}: {line['failed']} lives, {len(line['problems'])} problems")
    click.echo(f"{sum(line['failed'] for line in lines):,} lives")
    return [problem for line in lines for problem in line["problems"]]


def _round(bench: Bench, name: str, seed: int, cuts: int) -> Verdict:
    """Record a story once and judge all of its nodes."""
    recording, total = bench.record(STORIES[name]), Verdict()
    for node in STORIES[name].names:
        started = time.monotonic()
        for kind, verdict in bench.judge(recording, node, seed, cuts):
            _tell(f"{name} {node}", kind, verdict, started)
            total.add(verdict)
            started = time.monotonic()
    return total


def _tell(what: str, kind: str, verdict: Verdict, started: float) -> None:
    seconds = time.monotonic() - started
    figures = ", ".join(f"{getattr(verdict, name):,} {name}" for name in COLUMNS)
    rate = verdict.images / max(seconds, 1e-9)
    problems = f"{len(verdict.problems)} problems"
    click.echo(f"{what}, {kind}: {figures}, {problems}, {seconds:.1f} s, {rate:.0f} images/s")
