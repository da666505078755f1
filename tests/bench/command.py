"""`scripts/bench`: measure, compare with the targets, print one table.

Benchmarks run one after the other, each with the machine to itself as far as we can help it: the
load before and after is printed, since on a busy machine only ratios mean anything. The exit
status says whether everything could be run; a target that is missed is news, not an error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from tests.bench import (
    acks,
    applying,
    detection,
    distinct,
    floors,
    hits,
    idle,
    importing,
    incr,
    large_node,
    newcomer,
    proxies,
    reading,
    removing,
    replicating,
    restarting,
    resting,
    simulating,
    spread,
    streaming,
    texts,
    visibility,
    wire_bytes,
)
from tests.bench.machine import describe, show_load
from tests.bench.rows import Row, tabulate

BENCHMARKS: dict[str, Callable[..., list[Row]]] = {
    "apply": applying.measure,
    "wire": wire_bytes.measure,
    "large": large_node.measure,
    "huge": large_node.measure_huge,
    "newcomer": newcomer.measure,
    "importing": importing.measure,
    "restart": restarting.measure,
    "removing": removing.measure,
    "visible": visibility.measure,
    "idle": idle.measure,
    "resting": resting.measure,
    "spread": spread.measure,
    "simulator": simulating.measure,
    "hits": hits.measure,
    "reading": reading.measure,
    "acks": acks.measure,
    "incr": incr.measure,
    "relaxed": incr.measure_relaxed,
    "distinct": distinct.measure,
    "footprint": distinct.measure_footprint,
    "replicating": replicating.measure,
    "floor": floors.measure,
    "proxies": proxies.measure,
    "streaming": streaming.measure,
    "text": texts.measure,
}
# Names for several of them: what is compared with Redis, and what clients of nodes get.
GROUPS = {
    "redis": ("incr", "relaxed", "distinct", "footprint", "replicating", "proxies", "floor"),
    "clients": ("visible", "hits", "reading", "acks"),
}
# Above this others use the machine, and absolute figures are theirs too.
LOAD_QUIET = 0.5


@click.group(invoke_without_command=True)
@click.option("--only", "names", multiple=True, type=click.Choice([*BENCHMARKS, *GROUPS]))
@click.option("--quick", is_flag=True, help="Fewer rounds and shorter runs.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all rows there.")
@click.pass_context
def main(
    context: click.Context, names: tuple[str, ...], quick: bool, json_file: Path | None
) -> None:
    """Measure this checkout against its targets; print a table."""
    # An installed package has its byte code; to compile it takes a third of a second of each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if context.invoked_subcommand is None:
        _run_all(names, quick, json_file)


def _run_all(names: tuple[str, ...], quick: bool, json_file: Path | None) -> None:
    facts = describe()
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    if os.getloadavg()[0] > LOAD_QUIET:
        click.echo("The machine is busy: trust ratios, not absolute figures.", err=True)
    rows: list[Row] = []
    failed: list[str] = []
    for name in choose(names):
        began = time.monotonic()
        try:
            rows += BENCHMARKS[name](quick=quick)
        except Exception as error:
            failed.append(name)
            rows.append(
                Row(name, "could not be run", None, remark=" ".join(repr(error).split())[:100])
            )
        click.echo(f"{name}: {time.monotonic() - began:.0f} s", err=True)
    facts["load after"] = show_load()
    click.echo(f"load after: {facts['load after']}\n\n{tabulate(rows)}")
    if json_file is not None:
        found = {**facts, "quick": quick, "rows": [row.as_json() for row in rows]}
        json_file.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(1 if failed else 0)


def choose(names: Sequence[str]) -> list[str]:
    """Return the benchmarks that are meant, each once, groups as their members; all for none."""
    chosen = [each for name in names for each in GROUPS.get(name, (name,))]
    return list(dict.fromkeys(chosen)) or list(BENCHMARKS)


main.add_command(detection.compare)
main.add_command(restarting.lives)


if __name__ == "__main__":
    main()
