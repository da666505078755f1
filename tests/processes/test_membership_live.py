"""The scenarios of the membership that matter most, with ten real daemons (see tests/soak).

Every wait is for what the nodes themselves say; the bounds are only there to end a failed run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.cluster.replay import agree

pytestmark = pytest.mark.slow

PATIENCE_S = 60
POLL_S = 0.1
NODES = 10


@asynccontextmanager
async def ten_nodes(directory: Path) -> AsyncIterator[Cluster]:
    async with open_cluster(Plan(directory, NODES, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
        yield cluster


async def get(cluster: Cluster, name: str, target: str) -> Any:
    client = Client.at(cluster.find(name).url)
    try:
        answer = await client.request("GET", target)
    finally:
        client.drop()
    assert answer.status == 200, answer
    return answer.json()


async def until_seen(
    cluster: Cluster, liveness: str, whom: Iterable[str], *, by: Iterable[str]
) -> None:
    """Wait until each of these nodes shows each of those so, itself aside."""
    wanted = list(whom)
    with trio.fail_after(PATIENCE_S):
        for name in by:
            while True:
                shown = (await get(cluster, name, "/v1/cluster"))["nodes"]
                seen = {node["name"]: node["liveness"] for node in shown}
                if all(seen.get(other) == liveness for other in wanted if other != name):
                    break
                await trio.sleep(POLL_S)


async def deaths(cluster: Cluster, by: Iterable[str]) -> list[str]:
    """Return whom these nodes have ever declared dead."""
    found: list[str] = []
    for name in by:
        events = (await get(cluster, name, "/v1/events?limit=256"))["events"]
        found += [event["member"] for event in events if event["event"] == "dead"]
    return sorted(dict.fromkeys(found))


async def count(cluster: Cluster, name: str) -> None:
    client = Client.at(cluster.find(name).url)
    try:
        answer = await client.request("POST", counter_target("hits"))
    finally:
        client.drop()
    assert answer.status == 200, answer


async def test_p1_both_sides_of_a_split_count_and_merge_with_nobody_dead(tmp_path: Path) -> None:
    async with ten_nodes(tmp_path) as cluster:
        left, right = list(cluster.nodes)[:4], list(cluster.nodes)[4:]
        for one in left:
            for other in right:
                cluster.cut(one, other)
        await until_seen(cluster, "dead", right, by=left)
        await until_seen(cluster, "dead", left, by=right)
        for name in cluster.nodes:
            await count(cluster, name)
        cluster.heal()
        await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
        seen = await agree({name: node.url for name, node in cluster.nodes.items()})
        assert seen["n1"] == {"hits": NODES}
        assert await deaths(cluster, left) == sorted(right)
        assert await deaths(cluster, right) == sorted(left)


async def test_p5_and_s1_a_kill_with_a_restart_and_a_stop_harm_nobody_else(tmp_path: Path) -> None:
    async with ten_nodes(tmp_path) as cluster:
        await cluster.kill("n3")
        await cluster.start("n3")
        await cluster.ready(["n3"])
        well = [name for name in cluster.nodes if name != "n7"]
        cluster.pause("n7")
        await until_seen(cluster, "dead", ["n7"], by=well)
        cluster.resume("n7")
        await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
        # A slow machine may need longer to start n3 again than a port that refuses is suspected.
        others = [name for name in well if name != "n3"]
        assert [name for name in await deaths(cluster, others) if name != "n3"] == ["n7"]
        assert [name for name in await deaths(cluster, ["n7"]) if name != "n3"] == []
        shown = (await get(cluster, "n1", "/v1/cluster"))["nodes"]
        assert sorted(node["name"] for node in shown) == sorted(cluster.nodes)


async def test_l1_seven_of_ten_leave_one_after_the_other_and_nobody_is_dead(tmp_path: Path) -> None:
    async with ten_nodes(tmp_path) as cluster:
        stay, leavers = list(cluster.nodes)[:3], list(cluster.nodes)[3:]
        for name in leavers:
            assert await cluster.stop(name) == {name: 0}
        await until_seen(cluster, "left", leavers, by=stay)
        await until_seen(cluster, "alive", stay, by=stay)
        assert await deaths(cluster, stay) == []
