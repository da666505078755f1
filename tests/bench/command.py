"""`scripts/bench`: measure, compare with the targets, print one table.

Benchmarks run one after the other, each with the machine to itself as far as we can help it: the
load before and after is printed, since on a busy machine only ratios mean anything. The exit
status says whether everything could be run; a target that is missed is news, not an error.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from tests.bench import (
    applying,
    hits,
    idle,
    large_node,
    newcomer,
    simulating,
    visibility,
    wire_bytes,
)
from tests.bench.rows import Row, tabulate

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS: dict[str, Callable[..., list[Row]]] = {
    "apply": applying.measure,
    "wire": wire_bytes.measure,
    "large": large_node.measure,
    "newcomer": newcomer.measure,
    "visible": visibility.measure,
    "idle": idle.measure,
    "simulator": simulating.measure,
    "hits": hits.measure,
}
# Above this others use the machine, and absolute figures are theirs too.
LOAD_QUIET = 0.5


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="Fewer rounds and shorter runs: under 2 minutes.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all rows there.")
def main(names: tuple[str, ...], quick: bool, json_file: Path | None) -> None:
    """Measure this checkout against its targets; print a table."""
    facts = describe()
    for name, value in facts.items():
        click.echo(f"{name}: {value}")
    if os.getloadavg()[0] > LOAD_QUIET:
        click.echo("The machine is busy: trust ratios, not absolute figures.", err=True)
    rows: list[Row] = []
    failed: list[str] = []
    for name in names or BENCHMARKS:
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


def describe() -> dict[str, str]:
    """Return what the figures depend on, in words."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("trio", "numpy", "httptools")
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "with": f"Python {platform.python_version()}, {versions}",
        "load before": show_load(),
    }


def show_load() -> str:
    """Return the load averages."""
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
