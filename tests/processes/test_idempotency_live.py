"""Keyed requests at a node that is killed in the midst of them, and at one that knows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.cluster.client import Answer, Client, Lost, NotSent
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

PATIENCE_S = 90
WORKERS = 8
EACH = 40
KILLS = 4
PAUSE_S = 0.02


async def send(client: Client, key: str, more: dict[str, str] | None = None) -> Answer:
    """Send one keyed increment, again and again until it is answered."""
    headers = {"Idempotency-Key": key, **(more or {})}
    while True:
        try:
            answer = await client.request("POST", "/v1/counters/hits", headers=headers, wait_s=5)
            if answer.status != 503:
                return answer
        except (Lost, NotSent):
            pass
        await trio.sleep(PAUSE_S)


async def kill_now_and_then(cluster: Cluster, told: dict[str, int]) -> None:
    """Kill n1 with requests under way, each time when a part of them has been answered."""
    for part in range(1, KILLS + 1):
        while len(told) < part * WORKERS * EACH // (KILLS + 1):
            await trio.sleep(PAUSE_S)
        await cluster.kill("n1")
        await cluster.start("n1")


async def test_repeats_over_kills_count_once_and_are_told_what_the_first_was(
    tmp_path: Path,
) -> None:
    with trio.fail_after(PATIENCE_S):
        async with open_cluster(Plan(tmp_path, 2, 0, 0)) as cluster:
            await cluster.start_all()
            await cluster.ready()
            told: dict[str, int] = {}

            async def work(worker: int) -> None:
                client = Client.at(cluster.find("n1").url)
                for number in range(EACH):
                    key = f"{worker}-{number}"
                    told[key] = (await send(client, key)).json()["value"]
                client.drop()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(kill_now_and_then, cluster, told)
                for worker in range(WORKERS):
                    nursery.start_soon(work, worker)
            # Nobody else counts, so the answers are the numbers from 1 on, each of them once.
            assert sorted(told.values()) == list(range(1, WORKERS * EACH + 1))

            await cluster.kill("n1")
            await cluster.start("n1")
            client = Client.at(cluster.find("n1").url)
            for key, value in told.items():
                again = await send(client, key, {"Idempotency-Retry": "1"})
                assert (again.status, again.json()) == (200, {"key": "hits", "value": value})
            client.drop()

            other = Client.at(cluster.find("n2").url)
            asked = {"Idempotency-Retry": "1", "Gcounter-Node": "n1"}
            known = await send(other, "0-0", asked)
            assert (known.status, known.json()["error"]["code"]) == (409, "retry_elsewhere")
            assert known.json()["node"] == "n1"
            target = "/v1/counters/hits?consistency=consistent"
            assert (await other.request("GET", target)).json()["value"] == WORKERS * EACH
            other.drop()
