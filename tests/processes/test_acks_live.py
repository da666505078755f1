"""Real nodes that wait for each other before they answer, one of them paused and one killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow


async def count(cluster: Cluster, name: str, query: str) -> tuple[int, object]:
    answer = await cluster.ask(name, "POST", f"/v1/counters/hits?{query}")
    return answer.status, answer.json().get("held_by")


async def test_a_majority_is_waited_for_and_survives_what_all_cannot(tmp_path: Path) -> None:
    async with open_cluster(Plan(tmp_path, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        assert await count(cluster, "n1", "ack=all") == (200, None)
        cluster.pause("n3")
        assert await count(cluster, "n1", "ack=majority") == (200, None)
        assert await count(cluster, "n1", "ack=all&timeout=0.3") == (202, ["n1", "n2"])
        share = await cluster.ask(
            "n1", "PUT", "/v1/counters/hits/share?ack=majority", b'{"at_least": 5}'
        )
        assert (share.status, share.json()) == (200, {"key": "hits", "share": 5})

        # The node that answered is gone for good; one that held it tells the one that slept.
        await cluster.kill("n1")
        cluster.resume("n3")
        with trio.fail_after(30):
            while (await cluster.ask("n3", "GET", "/v1/counters/hits")).json()["value"] != 5:
                await trio.sleep(0.05)
        assert await count(cluster, "n3", "ack=majority") == (200, None)

        await cluster.kill("n2")
        assert await count(cluster, "n3", "ack=majority&timeout=0.3") == (202, ["n3"])


async def test_who_waits_for_a_member_that_is_away_is_answered_when_the_node_stops(
    tmp_path: Path,
) -> None:
    async with open_cluster(Plan(tmp_path, 2, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        cluster.pause("n2")
        answers: list[tuple[int, object]] = []

        async def wait() -> None:
            answers.append(await count(cluster, "n1", "ack=all&timeout=60"))

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                while (await cluster.ask("n1", "GET", "/v1/counters/hits")).json()["value"] != 1:
                    await trio.sleep(0.02)
                assert await cluster.stop("n1") == {"n1": 0}
        assert answers == [(202, ["n1"])]
        cluster.resume("n2")
