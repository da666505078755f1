"""Clusters that count a lot, and waiting until all have it.

This module refuses to know what is measured then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import trio

from tests.bench import nodes, sample
from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster

# Counters of one request, within the limit of what a body may list.
AT_ONCE = 5000
POLL_S = 0.05


async def count_many(cluster: Cluster, name: str, counters: int) -> None:
    """Count once in each of so many counters at one node."""
    client = Client("127.0.0.1", cluster.find(name).http_port)
    names = [key.decode() for key in sample.make_names(counters)]
    for at in range(0, counters, AT_ONCE):
        body = json.dumps({"counts": dict.fromkeys(names[at : at + AT_ONCE], 1)})
        answer = await client.request("POST", "/v1/counters", body.encode())
        assert answer.status == 200, answer.body[:200]
    client.drop()


async def until_shown(cluster: Cluster, counters: int, value: int) -> None:
    """Wait until all nodes show so much of the counter that `count_many` counts last."""
    await until_value(cluster, sample.make_names(counters)[-1].decode(), value)


async def until_value(cluster: Cluster, key: str, value: int) -> None:
    """Wait until all nodes show so much of one counter."""
    target = counter_target(key)
    for node in cluster.nodes.values():
        client = Client("127.0.0.1", node.http_port)
        with trio.fail_after(nodes.PATIENCE_S):
            while (await client.request("GET", target)).json().get("value") != value:
                await trio.sleep(POLL_S)
        client.drop()


async def until_dead(cluster: Cluster, dead: str) -> None:
    """Wait until all nodes that run show another one as dead."""
    for node in cluster.nodes.values():
        if not node.running:
            continue
        client = Client("127.0.0.1", node.http_port)
        with trio.fail_after(nodes.PATIENCE_S):
            while not await _shows(client, dead, "dead"):
                await trio.sleep(POLL_S)
        client.drop()


async def _shows(client: Client, name: str, liveness: str) -> bool:
    shown = (await client.request("GET", "/v1/cluster")).json()["nodes"]
    return any(node["name"] == name and node["liveness"] == liveness for node in shown)


async def longest_hold_ms(cluster: Cluster, names: Iterable[str]) -> float:
    """Return the longest hold of these nodes' loops of late, in milliseconds."""
    held = []
    for name in names:
        client = Client("127.0.0.1", cluster.find(name).http_port)
        held.append((await nodes.read_figures(client))["longest_turn_seconds"])
        client.drop()
    return 1000 * max(held)
