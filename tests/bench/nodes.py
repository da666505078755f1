"""Real nodes under measurement: their figures, their memory, when they are ready.

Nodes are those of `tests.cluster.processes`, so a benchmark of three nodes goes through the same
proxies as a test that cuts them apart. That costs it a little, never the other way round.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.cluster.client import Client, NotSent, why_not_ready
from tests.cluster.processes import Cluster, ClusterError, Node, Plan, open_cluster

# Finer than anything that is measured with it.
POLL_S = 0.005
# Ten million counters on a machine that others use as well start in minutes.
PATIENCE_S = 600.0
Figures = dict[str, float]


@asynccontextmanager
async def open_resp(place: Path, number: int, durability: str) -> AsyncIterator[Cluster]:
    """Run a cluster that is ready and linked directly, for load over RESP."""
    plan = Plan(place, nodes=number, http_base=0, peer_base=0, durability=durability)
    async with open_cluster(plan, print) as cluster:
        link_directly(cluster)
        await cluster.start_all()
        await cluster.ready()
        yield cluster


def link_directly(cluster: Cluster) -> None:
    """Let nodes that have not been started yet connect to each other, past the proxies."""
    addresses = {node.name: f"127.0.0.1:{node.peer_port}" for node in cluster.nodes.values()}
    for node in cluster.nodes.values():
        node.seeds = tuple(address for name, address in addresses.items() if name != node.name)
        node.options = ("--advertise", addresses[node.name])


async def read_figures(client: Client) -> Figures:
    """Return the metrics of a node by name without prefix; of events, by the event's name."""
    answer = await client.request("GET", "/metrics")
    return parse_figures(answer.body.decode())


def parse_figures(text: str) -> Figures:
    """Return what an exposition says: `commits`, `longest_turn_seconds`, `bytes_sent`, …"""
    figures: Figures = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        name, _, value = line.rpartition(" ")
        name, _, labels = name.partition("{")
        if name == "gcounterd_events_total":
            name = labels.split('"')[1]
        figures[name.removeprefix("gcounterd_").removesuffix("_total")] = float(value)
    return figures


async def start_and_time(cluster: Cluster, name: str) -> float:
    """Start a node; return the seconds from there to its first 200 on `/readyz`."""
    node = cluster.find(name)
    client = Client("127.0.0.1", node.http_port)
    began = trio.current_time()
    await cluster.start(name)
    with trio.fail_after(PATIENCE_S):
        while await why_not_ready(client) is not None:
            if not node.running:
                raise ClusterError(f"{name} ended by itself:\n{node.log_tail()}")
            await trio.sleep(POLL_S)
    client.drop()
    return trio.current_time() - began


async def until_alive(client: Client) -> None:
    """Wait until a node answers at all."""
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                await client.request("GET", "/livez")
            except NotSent:
                await trio.sleep(POLL_S)
            else:
                return


def resident_bytes(node: Node) -> int:
    """Return the resident size of a node's process (VmRSS)."""
    assert node.process is not None
    return resident_of(node.process.pid)


def resident_of(pid: int) -> int:
    """Return the resident size of any process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ClusterError(f"no VmRSS of process {pid}")


def cpu_seconds(node: Node) -> float:
    """Return the CPU time that a node's process has taken so far, all threads, user and system."""
    assert node.process is not None
    return cpu_of(node.process.pid)


def cpu_of(pid: int) -> float:
    """Return the CPU time that any process has taken so far, in seconds."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()  # from the third on; the second may hold blanks
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def stop(cluster: Cluster, name: str) -> None:
    """Stop a node as an operator does, and wait for its end."""
    node = cluster.find(name)
    assert node.process is not None
    node.ending = True
    node.process.terminate()
    await node.process.wait()
