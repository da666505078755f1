"""`scripts/soak --live`: play the live stories one after the other, print a line as each ends."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

import click
import trio

from tests.cluster.processes import find_causes
from tests.soak.live import LIVE
from tests.soak.live_stage import LiveScenario, processes

HEAD = "| scenario | what must come out | nodes | seconds | verdict |\n|---|---|---|---|---|"


def play_live(names: Iterable[str]) -> int:
    """Play these stories, each with a cluster of its own; return how many failed."""
    click.echo(HEAD)
    return sum(not _play(LIVE[name]) for name in names)


def _play(story: LiveScenario) -> bool:
    """Play one; of a failed one the logs stay."""
    directory = Path(tempfile.mkdtemp(prefix=f"gcounterd-{story.name}-"))
    began, verdict, failed = time.monotonic(), "passed", False
    try:
        trio.run(_run, story, directory)
    except Exception as error:
        failed = True
        causes = "; ".join(f"{type(cause).__name__}: {cause}" for cause in find_causes(error))
        verdict = f"failed: {causes}"
        traceback.print_exc()
    seconds = time.monotonic() - began
    click.echo(f"| {story.name} | {story.says} | {story.nodes} | {seconds:.1f} | {verdict} |")
    if failed:
        click.echo(f"    the logs are in {directory}", err=True)
    else:
        shutil.rmtree(directory)
    return not failed


async def _run(story: LiveScenario, directory: Path) -> None:
    async with processes(directory, story.nodes) as cluster:
        await story.play(cluster)
