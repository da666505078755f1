"""Real nodes under measurement: their figures, their memory, when they are ready.

Nodes are those of `tests.cluster.processes`, so a benchmark of three nodes goes through the same
proxies as a test that cuts them apart. That costs it a little, never the other way round.
"""

from __future__ import annotations

import os
from pathlib import Path

import trio

from tests.cluster.client import Client, NotSent, why_not_ready
from tests.cluster.processes import Cluster, ClusterError, Node

# Finer than anything that is measured with it.
POLL_S = 0.005
PATIENCE_S = 120.0
Figures = dict[str, float]


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
    for line in Path(f"/proc/{node.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ClusterError(f"no VmRSS of {node.name}")


def cpu_seconds(node: Node) -> float:
    """Return the CPU time that a node's process has taken so far, all threads, user and system."""
    assert node.process is not None
    stat = Path(f"/proc/{node.process.pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()  # from the third on; the second may hold blanks
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def stop(cluster: Cluster, name: str) -> None:
    """Stop a node as an operator does, and wait for its end."""
    node = cluster.find(name)
    assert node.process is not None
    node.ending = True
    node.process.terminate()
    await node.process.wait()
