"""`scripts/profile`: where a real node under load spends the time of its loop.

Theory. The daemon runs under cProfile, started like any node of a local cluster, while clients
offer it increments: *paced*, pipelined and at a steady rate to every node; *hits*, over HTTP from
64 connections as fast as they are answered, which needs wrk; or *resp*, INCR of random keys from 50
connections in pipelines of `--pipeline`, which needs redis-benchmark. On TERM it stops cleanly and
leaves its profile. That watches the loop's thread only, which is the one that matters, and makes
every call dearer, small ones most: compare functions with each other, and times with
`scripts/bench`.
"""

from __future__ import annotations

import functools
import pstats
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import trio

from tests.bench import hits, nodes, redis
from tests.bench.pipeliner import count_all
from tests.cluster.processes import DAEMON, Node, Plan, open_cluster

ORDERS = ("tottime", "cumtime")
PACED, HITS, RESP = LOADS = ("paced", "hits", "resp")
# Puts load on nodes and says what came of it.
Offer = Callable[[list[Node]], Awaitable[str]]


@click.command()
@click.option("--nodes", "number", default=1, show_default=True, help="Nodes; the first is watched")
@click.option("--load", type=click.Choice(LOADS), default=LOADS[0], show_default=True)
@click.option("--rate", default=3000, show_default=True, help="Increments a second, if paced.")
@click.option("--pipeline", default=16, show_default=True, help="Commands at once, if resp.")
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--durability", default="commit", show_default=True)
@click.option("--order", type=click.Choice(ORDERS), default=ORDERS[0], show_default=True)
@click.option("--lines", default=30, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Keep the profile there.")
def main(
    number: int,
    load: str,
    rate: float,
    pipeline: int,
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
        offers: dict[str, Offer] = {
            PACED: functools.partial(_pace, rate, seconds),
            HITS: functools.partial(_hit, seconds),
            RESP: functools.partial(_incr, pipeline, seconds),
        }
        trio.run(_run, plan, offers[load])
        pstats.Stats(str(profile)).sort_stats(order).print_stats(lines)


async def _run(plan: Plan, offer: Offer) -> None:
    async with open_cluster(plan, print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        click.echo(f"load: {await offer(list(cluster.nodes.values()))}")
        # All of them write to the same file; the one watched ends last, so its profile stays.
        for name in reversed(cluster.nodes):
            await nodes.stop(cluster, name)


async def _pace(rate: float, seconds: float, running: list[Node]) -> str:
    load = [sys.executable, "-m", "tests.bench.pacer", "--rate", str(rate)]
    load += ["--seconds", str(seconds), *(str(node.http_port) for node in running)]
    done = await trio.run_process(load, capture_stdout=True, stdin=subprocess.DEVNULL)
    return done.stdout.decode().strip()


async def _hit(seconds: float, running: list[Node]) -> str:
    script = hits.write_script(running[0].directory)
    port = running[0].http_port
    rate = await trio.to_thread.run_sync(hits.run_wrk, port, script, seconds)
    return f"{rate:,.0f} hits a second"


async def _incr(pipeline: int, seconds: float, running: list[Node]) -> str:
    load, port = redis.Load(pipeline), running[0].resp_port
    await count_all(port, load.keys)  # new keys cost more, and would be all that is seen
    rate = await redis.run_benchmark(port, load, load.requests(1, seconds))
    rate = await redis.run_benchmark(port, load, load.requests(rate, seconds))
    return f"{rate:,.0f} INCR a second"


if __name__ == "__main__":
    main()
