"""`scripts/search`: search all scopes, print what came of it.

The exit status says whether a violation was found; it is printed with the schedule that leads to
it.
"""

from __future__ import annotations

import sys

import click

from tests.search.explore import Exploration, Found
from tests.search.locals import Locals
from tests.search.play import begin, play
from tests.search.scale import small
from tests.search.scopes import SCOPES, Scope

HEAD = (
    "| scope | depth | states | steps | hosts' states | hosts' steps | at rest | seconds |\n"
    "|---|---|---|---|---|---|---|---|"
)


def search(scope: Scope, seconds: float, depth_max: int = 99) -> Found:
    """Search one scope."""
    states = Locals()
    state, complaint = play(states, begin(states), scope.begin, fused=scope.fused)
    assert not complaint, complaint
    state = state._replace(wakes=0, repeats=0, links=0)
    return Exploration(scope, states, state, seconds, depth_max).run()


def line(found: Found) -> str:
    """Return a search as a line of a Markdown table."""
    more = "all" if found.ended else f"{found.depth} + {found.partly:.0%}"
    return (
        f"| {found.scope.name} | {more} | {found.states:,} | {found.steps:,} | "
        f"{found.local_states:,} | {found.local_steps:,} | {found.quiets:,} | {found.seconds:.1f} |"
    )


@click.command()
@click.option("--seconds", default=100.0, show_default=True, help="For all scopes together.")
@click.option("--depth", default=99, show_default=True, help="Steps at most.")
@click.option("--only", multiple=True, type=click.Choice([scope.name for scope in SCOPES]))
def main(seconds: float, depth: int, only: tuple[str, ...]) -> None:
    """Try every interleaving of small clusters, as deep as the time allows."""
    chosen = [scope for scope in SCOPES if not only or scope.name in only]
    click.echo(HEAD)
    failed = False
    with small():
        for scope in chosen:
            found = search(scope, seconds / len(chosen), depth)
            click.echo(line(found))
            if found.complaint:
                failed = True
                click.echo(f"\n{found.complaint}\nafter {len(found.schedule)} steps:", err=True)
                for each in found.schedule:
                    click.echo(f"    {each}", err=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
