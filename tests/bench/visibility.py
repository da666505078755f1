"""Row `visible`: how long after its answer an increment shows at all nodes of a busy cluster.

Theory. While the pacer, in a process of its own, offers increments to each of three nodes, a
client raises a marker at one of them, notes when the answer came, and asks the others until they
show at least the value answered. The time of the slower one is a sample; what asking costs is in
it. The nodes take turns. Whether the nodes kept up with the load is a row of its own, for a value
that shows quickly on an idle cluster proves nothing.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import trio

from tests.bench.rows import Row, percentile
from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster

NODES = 3
RATE = 5000
MARKER = counter_target("marker")
# Between two questions to a node that does not show the marker yet, and between two markers.
ASK_PAUSE_S = 0.002
MARKER_PAUSE_S = 0.02
# The load runs so long before the first marker: columns exist, names are known.
WARM_UP_S = 3.0


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of visibility."""
    seconds = 8.0 if quick else 20.0
    with tempfile.TemporaryDirectory() as place:
        samples, load = trio.run(_run, Path(place), seconds)
    ports = load["ports"].values()
    answered = sum(port["good"] for port in ports) / load["seconds"] / NODES
    failed = sum(port["other"] for port in ports)
    skipped = sum(port["skipped"] for port in ports)
    what = f"{NODES} nodes, {RATE:,} increments a second to each"
    of = f"of {len(samples)}; median {1000 * statistics.median(samples):.1f}"
    return [
        Row(
            "visible",
            f"{what}: from the answer to visible on all, p99",
            1000 * percentile(samples, 0.99),
            "ms",
            at_most=100,
            remark=f"{of}, longest {1000 * max(samples):.1f}",
        ),
        Row(
            "visible",
            "the load that each node answered",
            answered,
            "a second",
            at_least=0.95 * RATE,
            remark=f"{failed:,} refused, {skipped:,} not sent because too many were open",
        ),
    ]


async def _run(place: Path, seconds: float) -> tuple[list[float], dict[str, Any]]:
    plan = Plan(place, nodes=NODES, http_base=0, peer_base=0)
    samples: list[float] = []
    async with open_cluster(plan, print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        async with trio.open_nursery() as nursery:
            load = functools.partial(_offer, cluster, seconds + WARM_UP_S)
            found = await nursery.start(load)
            await trio.sleep(WARM_UP_S)
            with trio.move_on_after(seconds):
                await _mark(cluster, samples)
    return samples, found


async def _offer(
    cluster: Cluster, seconds: float, *, task_status: trio.TaskStatus[dict[str, Any]]
) -> None:
    """Run the pacer; the dict given at the start is filled at the end."""
    found: dict[str, Any] = {}
    task_status.started(found)
    ports = [str(node.http_port) for node in cluster.nodes.values()]
    command = [sys.executable, "-m", "tests.bench.pacer"]
    command += ["--rate", str(RATE), "--seconds", str(seconds), *ports]
    done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
    found.update(json.loads(done.stdout))


async def _mark(cluster: Cluster, samples: list[float]) -> None:
    """Raise markers and time them, until cancelled."""
    clients = [Client("127.0.0.1", node.http_port) for node in cluster.nodes.values()]
    while True:
        first, *others = clients
        clients = [*others, first]
        answer = await first.request("POST", MARKER)
        answered = trio.current_time()
        value = answer.json()["value"]
        async with trio.open_nursery() as nursery:
            for other in others:
                nursery.start_soon(_until_visible, other, value)
        samples.append(trio.current_time() - answered)
        await trio.sleep(MARKER_PAUSE_S)


async def _until_visible(client: Client, value: int) -> None:
    while True:
        answer = await client.request("GET", MARKER)
        if answer.json()["value"] >= value:
            return
        await trio.sleep(ASK_PAUSE_S)
