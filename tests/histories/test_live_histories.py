"""Clients of real processes see nothing wrong while these are killed, stopped and cut off.

`scripts/soak histories` is the same for longer, with members added and removed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.story import Story
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.histories.live import Crowd, open_crowd

pytestmark = pytest.mark.slow

RATE, SEED = 400.0, 5
# How many operations end while something is broken.
A_WHILE = 150
AGREEMENT_S_MAX = 60.0


async def break_things(cluster: Cluster, crowd: Crowd) -> None:
    """Kill a node, stop another, cut off the third, and kill it when it is heard again."""
    await crowd.until(A_WHILE)
    await cluster.kill("n1")
    await crowd.until(A_WHILE)
    await cluster.start("n1")
    cluster.pause("n2")
    await crowd.until(A_WHILE)
    cluster.resume("n2")
    cluster.cut("n3", "n1")
    cluster.cut("n3", "n2")
    await crowd.until(A_WHILE)
    cluster.heal()
    await cluster.kill("n3")
    await cluster.start("n3")
    await crowd.until(A_WHILE)
    await cluster.ready()


async def test_clients_see_nothing_wrong_while_nodes_are_killed_stopped_and_cut_off(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path / "story.log", print)
    async with open_cluster(Plan(tmp_path, 3, 0, 0), story.say) as cluster:
        await cluster.start_all()
        await cluster.ready()
        async with open_crowd(RATE, SEED, story, tmp_path / "history.jsonl") as crowd:
            for node in cluster.nodes.values():
                await crowd.join(node.name, node.http_port)
            await break_things(cluster, crowd)
            found = await crowd.audit([], AGREEMENT_S_MAX)
            assert found["wrong"] == []
            asked = {name: crowd.counts[f"judged: {name}"] for name in ("no dip", "asks everybody")}
            assert min(asked.values()) > 10
            assert crowd.counts["increment unknown"] > 0
