"""`scripts/profile`: where a real node under load spends the time of its loop.

Theory. The daemon runs under cProfile, started like any node of a local cluster, while clients
offer it increments: *paced*, pipelined and at a steady rate to every node, or *hits*, from 64
connections as fast as they are answered, which needs wrk. On TERM it stops cleanly and leaves its
profile. That watches the loop's thread only, which is the one that matters, and makes every call
dearer, small ones most: compare functions with each other, and times with `scripts/bench`.
"""

from __future__ import annotations

import functools
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import trio

from tests.bench import hits, nodes
from tests.cluster.processes import DAEMON, Plan, open_cluster

ORDERS = ("tottime", "cumtime")
LOADS = ("paced", "hits")


@click.command()
@click.option("--nodes", "number", default=1, show_default=True, help="Nodes; the first is watched")
@click.option("--load", type=click.Choice(LOADS), default=LOADS[0], show_default=True)
@click.option("--rate", default=3000, show_default=True, help="Increments a second, if paced.")
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--durability", default="commit", show_default=True)
@click.option("--order", type=click.Choice(ORDERS), default=ORDERS[0], show_default=True)
@click.option("--lines", default=30, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Keep the profile there.")
def main(
    number: int,
    load: str,
    rate: float,
    seconds: float,
    durability: str,
    order: str,
    lines: int,
    out: Path | None,
) -> None:
    """Put a cluster under load and print the hottest functions of its first node."""
    with tempfile.TemporaryDirectory() as place:
        profile = out or Path(place) / "profile"
        program = (sys.executable, "-m", "cProfile", "-o", str(profile.absolute()), *DAEMON)
        plan = Plan(
            Path(place),
            nodes=number,
            http_base=0,
            peer_base=0,
            durability=durability,
            program=program,
        )
        trio.run(functools.partial(_run, plan, rate if load == LOADS[0] else None, seconds))
        pstats.Stats(str(profile)).sort_stats(order).print_stats(lines)


async def _run(plan: Plan, rate: float | None, seconds: float) -> None:
    async with open_cluster(plan, print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        ports = [node.http_port for node in cluster.nodes.values()]
        if rate is None:
            script = hits.write_script(plan.directory)
            found = await trio.to_thread.run_sync(hits.run_wrk, ports[0], script, seconds)
            click.echo(f"load: {found:,.0f} hits a second")
        else:
            click.echo(f"load: {await _pace(ports, rate, seconds)}")
        # All of them write to the same file; the one watched ends last, so its profile stays.
        for name in reversed(cluster.nodes):
            await nodes.stop(cluster, name)


async def _pace(ports: list[int], rate: float, seconds: float) -> str:
    load = [sys.executable, "-m", "tests.bench.pacer", "--rate", str(rate)]
    load += ["--seconds", str(seconds), *map(str, ports)]
    done = await trio.run_process(load, capture_stdout=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode().strip()


if __name__ == "__main__":
    main()
