"""Real processes import the same at nodes that are cut off, are killed, and come back."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.cluster.client import Lost, NotSent
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60
POLL_S = 0.05
NAMES = ("n1", "n2", "n3")
IMPORT = "/v1/imports?format=csv&source=old"
COUNTERS = 30_000
ROWS = b"".join(b"key-%06d,%d\n" % (number, number + 1) for number in range(COUNTERS))
TOTAL = COUNTERS * (COUNTERS + 1) // 2


async def bring(cluster: Cluster, name: str) -> dict[str, Any]:
    answer = await cluster.ask(name, "POST", IMPORT, ROWS)
    assert answer.status == 200, answer
    return dict(answer.json())


async def exported(cluster: Cluster, name: str) -> dict[str, int]:
    """Return all counters of a node."""
    body = (await cluster.ask(name, "GET", "/v1/export?format=csv")).body.decode()
    return {key: int(value) for key, value in (row.split(",") for row in body.splitlines()[1:])}


async def until_all_show(cluster: Cluster, total: int) -> None:
    with trio.fail_after(PATIENCE_S):
        for name in NAMES:
            while (found := await exported(cluster, name)) and sum(found.values()) != total:
                assert sum(found.values()) < total
                await trio.sleep(POLL_S)


async def test_the_same_file_at_nodes_that_are_cut_off_and_killed_counts_once(
    tmp_path: Path,
) -> None:
    async with open_cluster(Plan(tmp_path, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        for name in NAMES:
            await cluster.ask(name, "POST", "/v1/counters/key-000000")
        cluster.cut("n1", "n2")
        cluster.cut("n1", "n3")
        assert not (await bring(cluster, "n1"))["repeated"]
        assert not (await bring(cluster, "n2"))["repeated"]
        await cluster.kill("n1")
        await cluster.start("n1")
        cluster.heal()
        await cluster.ready()
        await until_all_show(cluster, TOTAL + 3)

        assert (await bring(cluster, "n3"))["repeated"]
        await cluster.kill("n3")
        await cluster.start("n3")
        await cluster.ready(["n3"])
        assert (await bring(cluster, "n3"))["repeated"]
        await until_all_show(cluster, TOTAL + 3)
        known = (await cluster.ask("n3", "GET", "/v1/imports")).json()["imports"]
        assert [(each["source"], each["total"]) for each in known] == [("old", TOTAL)]
        values = await cluster.ask("n2", "GET", "/v1/counters/key-000000?by_node=true")
        assert values.json()["by_node"] == {"import:old": 1, "n1": 1, "n2": 1, "n3": 1}

        other = await cluster.ask("n2", "POST", IMPORT, b"key-000000,2\n")
        assert (other.status, other.json()["error"]["code"]) == (409, "source_known")


async def test_a_kill_in_the_middle_of_an_import_counts_all_of_it_or_nothing(
    tmp_path: Path,
) -> None:
    async with open_cluster(Plan(tmp_path, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        for number, pause in enumerate((0.02, 0.1, 0.2, 0.4)):
            rows, target = ROWS.replace(b"key-", b"%d-" % number), f"{IMPORT}-{number}"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(try_to_bring, cluster, target, rows)
                await trio.sleep(pause)
                await cluster.kill("n1")
            await cluster.start("n1")
            await cluster.ready(["n1"])
            assert await sum_of(cluster, "n1", f"{number}-") in (0, TOTAL)
            # Whoever got no answer repeats it, wherever there is somebody to take it.
            answer = await cluster.ask("n2", "POST", target, rows)
            assert answer.status == 200
            assert await sum_of(cluster, "n2", f"{number}-") == TOTAL
        await until_all_show(cluster, 4 * TOTAL)


async def try_to_bring(cluster: Cluster, target: str, rows: bytes) -> None:
    with contextlib.suppress(NotSent, Lost):
        await cluster.ask("n1", "POST", target, rows)


async def sum_of(cluster: Cluster, name: str, prefix: str) -> int:
    body = (await cluster.ask(name, "GET", f"/v1/export?format=csv&prefix={prefix}")).body
    return sum(int(row.split(",")[1]) for row in body.decode().splitlines()[1:])
