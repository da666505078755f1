"""`scripts/search`: search all scopes, print what came of it.

The exit status says whether a violation was found; it is printed with the schedule that leads to
it, which `tests.search.play.play` takes as it stands.
"""

from __future__ import annotations

import multiprocessing
import sys
from functools import partial

import click

from tests.search.doubts import Doubting
from tests.search.explore import Exploration, Found
from tests.search.locals import Locals
from tests.search.play import begin, play
from tests.search.scale import small
from tests.search.scopes import SCOPES, Scope

HEAD = (
    "| scope | what happens | depth | states | steps | of hosts: states | steps | at rest | s |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
_EVER = 99


def search(
    scope: Scope, seconds: float, depth_max: int = _EVER, states: Locals | None = None
) -> Found:
    """Search one scope; `small` must be in force."""
    states = states or Doubting()
    state, complaint = play(states, begin(states), scope.begin, fused=scope.fused)
    assert not complaint, complaint
    state = state._replace(wakes=0, repeats=0, links=0)
    return Exploration(scope, states, state, seconds, depth_max).run()


def _search_small(seconds: float, depth_max: int, scope: Scope) -> Found:
    with small():
        return search(scope, seconds, depth_max)


def line(found: Found) -> str:
    """Return a search as a line of a Markdown table."""
    deeper = "all there is" if found.ended else f"{found.depth}, and {found.partly:.0%} of the next"
    return (
        f"| {found.scope.name} | {found.scope.says} | {deeper} | {found.states:,} | "
        f"{found.steps:,} | {found.local_states:,} | {found.local_steps:,} | {found.quiets:,} | "
        f"{found.seconds:.0f} |"
    )


@click.command()
@click.option("--seconds", default=100.0, show_default=True, help="For all scopes together.")
@click.option("--depth", default=_EVER, show_default=True, help="Steps at most.")
@click.option("--jobs", default=1, show_default=True, help="Scopes searched at a time.")
@click.option("--only", multiple=True, type=click.Choice([scope.name for scope in SCOPES]))
def main(seconds: float, depth: int, jobs: int, only: tuple[str, ...]) -> None:
    """Try every interleaving of small clusters, as deep as the time allows."""
    chosen = [scope for scope in SCOPES if not only or scope.name in only]
    jobs = min(jobs, len(chosen))
    each = partial(_search_small, seconds * jobs / len(chosen), depth)
    click.echo(HEAD)
    violated = False
    with multiprocessing.Pool(jobs) as pool:
        for found in pool.imap(each, chosen):
            click.echo(line(found))
            violated |= bool(found.complaint)
            if found.complaint:
                click.echo(_tell(found), err=True)
    sys.exit(1 if violated else 0)


def _tell(found: Found) -> str:
    begin = f"from: {found.scope.begin}\n" if found.scope.begin else ""
    fused = ", fused" if found.scope.fused else ""
    schedule = ";\n    ".join(found.schedule)
    return (
        f"\n{found.scope.name}: {found.complaint}\n{begin}"
        f"after {len(found.schedule)} steps{fused}:\n    {schedule}\n"
    )


if __name__ == "__main__":
    main()
