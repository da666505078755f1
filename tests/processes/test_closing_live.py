"""Real processes that end and come back: what they counted is closed on all members, and stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.cluster.client import Client, read_counters
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60
POLL_S = 0.05
NAMES = ("n1", "n2", "n3")


async def closed(cluster: Cluster, name: str) -> int:
    """Return how many columns are closed at a node."""
    client = Client.at(cluster.find(name).url)
    try:
        text = (await client.request("GET", "/metrics")).body.decode()
    finally:
        client.drop()
    (line,) = [each for each in text.splitlines() if each.startswith("gcounterd_closed_columns ")]
    return int(float(line.split()[1]))


async def until_closed(cluster: Cluster, number: int, names: tuple[str, ...] = NAMES) -> None:
    with trio.fail_after(PATIENCE_S):
        for name in names:
            while await closed(cluster, name) != number:
                await trio.sleep(POLL_S)


async def values(cluster: Cluster) -> list[int]:
    found = []
    for name in NAMES:
        client = Client.at(cluster.find(name).url)
        found.append((await read_counters(client)).get("visits", 0))
        client.drop()
    return found


async def test_a_restart_closes_on_all_members_and_a_stop_before_anybody_starts_again(
    tmp_path: Path,
) -> None:
    async with open_cluster(Plan(tmp_path, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        for name in NAMES:
            await cluster.ask(name, "POST", "/v1/counters/visits")

        await cluster.kill("n2")
        assert await closed(cluster, "n1") == 0  # nobody but its next process says so
        await cluster.start("n2")
        await cluster.ready(["n2"])
        await until_closed(cluster, 1)
        share = await cluster.ask("n2", "GET", "/v1/counters/visits/share")
        assert share.json()["share"] == 1

        assert await cluster.stop("n3") == {"n3": 0}
        await until_closed(cluster, 2, ("n1", "n2"))  # by itself, and final
        await cluster.start("n3")
        await cluster.ready(["n3"])
        await until_closed(cluster, 2)

        await cluster.ask("n3", "POST", "/v1/counters/visits")
        with trio.fail_after(PATIENCE_S):
            while await values(cluster) != [4, 4, 4]:
                await trio.sleep(POLL_S)
        for name in NAMES:
            shown = await cluster.ask(name, "GET", "/v1/counters/visits?by_node=true")
            by_node = shown.json()
            assert by_node["by_node"] == {"n1": 1, "n2": 1, "n3": 2}
