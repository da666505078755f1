"""Row `reading`: consistent reads of five local nodes, by one client and by 64 at each of them.

Theory. A consistent read costs a question to each other member and its answer, so one client feels
the slowest of four round trips. Reads that wait together share their questions: with 64 clients the
cost of a read is that of its request, and rates are to be near those of any request that is not
gathered with others. All five nodes, and the load, share the machine; so one node under load is
measured beside all five, and a round of each comes in turn.

While nodes count, an answer names what is new, and that is fetched and committed first; how long a
read takes then is a row without a target.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import trio

from tests.bench.rows import Row, percentile
from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster

NODES = 5
CONNECTIONS = 64
TARGET = counter_target("x") + "?consistency=consistent"
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
PATIENCE_S = 60.0
# Increments a second at each node while one client reads.
COUNTING_RATE = 100.0


@attrs.frozen
class Found:
    """Seconds of one client's reads, quiet and while nodes count; rates by kind of load."""

    quiet: list[float] = attrs.Factory(list)
    counting: list[float] = attrs.Factory(list)
    one: list[float] = attrs.Factory(list)
    each: list[float] = attrs.Factory(list)


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of consistent reads."""
    found = Found()
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), found, 1 if quick else 3, 2.0 if quick else 4.0)
    what = f"{NODES} local nodes, consistent reads"
    wrk = "" if found.one else "wrk is not installed"
    return [
        Row(
            "reading",
            f"{what}: one client, p50",
            1000 * statistics.median(found.quiet),
            "ms",
            at_most=3,
            remark=_spread(found.quiet),
        ),
        Row(
            "reading",
            f"the same while each node takes {COUNTING_RATE:g} increments a second",
            1000 * statistics.median(found.counting),
            "ms",
            remark=_spread(found.counting),
        ),
        Row(
            "reading",
            f"{what}: {CONNECTIONS} clients at one node",
            statistics.median(found.one) if found.one else None,
            "a second",
            at_least=1000,
            remark=wrk,
        ),
        Row(
            "reading",
            f"{what}: {CONNECTIONS} clients at each node, the slowest node",
            statistics.median(found.each) if found.each else None,
            "a second",
            at_least=1000,
            remark=wrk,
        ),
    ]


def _spread(times: list[float]) -> str:
    return f"of {len(times)}, p99 {1000 * percentile(times, 0.99):.1f}"


async def _run(place: Path, found: Found, rounds: int, seconds: float) -> None:
    plan = Plan(place, nodes=NODES, http_base=0, peer_base=0)
    async with open_cluster(plan, print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        ports = [node.http_port for node in cluster.nodes.values()]
        for port in ports:  # every node has a column
            await Client("127.0.0.1", port).request("POST", counter_target("x"))
        for _ in range(rounds):
            await _read(ports[0], found.quiet, seconds)
            await _read_while_counting(cluster, found.counting, seconds)
            found.one.extend(await _load(ports[:1], seconds))
            found.each.extend(await _load(ports, seconds))


async def _read(port: int, times: list[float], seconds: float) -> None:
    """Read again and again with one client; every answer has to be exact."""
    client = Client("127.0.0.1", port)
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        began = trio.current_time()
        answer = await client.request("GET", TARGET)
        times.append(trio.current_time() - began)
        if answer.status != 200:
            raise RuntimeError(f"a consistent read was answered {answer}")
    client.drop()


async def _read_while_counting(cluster: Cluster, times: list[float], seconds: float) -> None:
    ports = [str(node.http_port) for node in cluster.nodes.values()]
    command = [sys.executable, "-m", "tests.bench.pacer"]
    command += ["--rate", str(COUNTING_RATE), "--seconds", str(seconds + 1), *ports]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pace, command)
        await trio.sleep(1.0)
        await _read(int(ports[0]), times, seconds)


async def _pace(command: list[str]) -> None:
    await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)


async def _load(ports: list[int], seconds: float) -> list[float]:
    """Load these nodes at the same time; return the rate of the slowest, none without wrk."""
    rates: list[float] = []

    async def load(port: int) -> None:
        rates.append(await trio.to_thread.run_sync(_run_wrk, port, seconds))

    if shutil.which("wrk") is None:
        return []
    async with trio.open_nursery() as nursery:
        for port in ports:
            nursery.start_soon(load, port)
    return [min(rates)]


def _run_wrk(port: int, seconds: float) -> float:
    """Read with all connections of one node; return the exact answers a second. Blocks."""
    url = f"http://127.0.0.1:{port}{TARGET}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    rate, bad = RATE.search(done.stdout), BAD.search(done.stdout)
    if rate is None or float(rate[1]) == 0 or bad is not None:
        raise RuntimeError(f"wrk says:\n{done.stdout}")
    return float(rate[1])
