"""Real daemons, real sockets, real signals: what a local cluster promises, fault by fault.

Every wait is for an answer of the nodes themselves; the bounds are only there to end a failed run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cluster.client import Client, Lost, counter_target, read_counters
from tests.cluster.control import SOCKET_NAME
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.cluster.replay import agree

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# Ends a run that hangs; nothing here takes a tenth of it.
PATIENCE_S = 60
POLL_S = 0.05
KILLS = 12


@asynccontextmanager
async def three_nodes(directory: Path, durability: str = "commit") -> AsyncIterator[Cluster]:
    plan = Plan(directory, 3, 0, 0, durability=durability)
    async with open_cluster(plan) as cluster:
        await cluster.start_all()
        await cluster.ready()
        yield cluster


def urls(cluster: Cluster) -> dict[str, str]:
    return {name: node.url for name, node in cluster.nodes.items()}


async def count(cluster: Cluster, name: str, key: str, times: int = 1) -> None:
    """Increment `key` at a node, `times` requests on one connection, every one acknowledged."""
    client = Client.at(cluster.find(name).url)
    try:
        for _ in range(times):
            answer = await client.request("POST", counter_target(key))
            assert answer.status == 200, answer
    finally:
        client.drop()


async def value(cluster: Cluster, name: str, key: str) -> int:
    answer = await cluster.ask(name, "GET", counter_target(key))
    assert answer.status == 200, answer
    result: int = answer.json()["value"]
    return result


async def until(cluster: Cluster, name: str, key: str, wanted: Callable[[int], bool]) -> int:
    with trio.fail_after(PATIENCE_S):
        while not wanted(now := await value(cluster, name, key)):
            await trio.sleep(POLL_S)
    return now


async def test_increments_at_every_node_become_one_total_at_all(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        for number in (1, 2, 3):
            await count(cluster, f"n{number}", "visits", 10 * number)
            await count(cluster, f"n{number}", f"only/{number}")
        wanted = {"visits": 60, "only/1": 1, "only/2": 1, "only/3": 1}
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now == 60)
        assert await agree(urls(cluster)) == dict.fromkeys(cluster.nodes, wanted)


async def test_a_killed_node_comes_back_with_all_that_it_had_acknowledged(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        await count(cluster, "n2", "visits", 25)
        await cluster.kill("n2")
        await count(cluster, "n1", "visits", 5)
        await cluster.start("n2")
        await cluster.ready(["n2"])
        assert await value(cluster, "n2", "visits") >= 25
        await count(cluster, "n2", "visits", 3)
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now >= 33)
        seen = await agree(urls(cluster))
        assert seen["n1"] == {"visits": 33}


async def test_all_nodes_killed_at_once_come_back_with_everything(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        for name in cluster.nodes:
            await count(cluster, name, "visits", 7)
        async with trio.open_nursery() as nursery:
            for name in cluster.nodes:
                nursery.start_soon(cluster.kill, name)
        await cluster.start_all()
        await cluster.ready()
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now == 21)
        assert (await agree(urls(cluster)))["n3"] == {"visits": 21}


async def test_both_sides_of_a_cut_count_and_agree_after_it_heals(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        await count(cluster, "n1", "visits")
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now == 1)
        cluster.cut("n1", "n2")
        cluster.cut("n1", "n3")
        await count(cluster, "n1", "visits", 10)
        await count(cluster, "n2", "visits", 100)
        await until(cluster, "n3", "visits", lambda now: now == 101)
        assert await value(cluster, "n1", "visits") == 11
        assert await value(cluster, "n2", "visits") == 101
        cluster.heal()
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now == 111)
        assert (await agree(urls(cluster)))["n1"] == {"visits": 111}


async def test_a_consistent_read_across_a_cut_names_who_is_missing(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        await count(cluster, "n2", "visits", 4)
        target = counter_target("visits") + "?consistency=consistent&timeout="
        exact = await cluster.ask("n1", "GET", target + "20")
        assert (exact.status, exact.json()["value"]) == (200, 4)
        cluster.cut("n1", "n3")
        inexact = await cluster.ask("n1", "GET", target + "1")
        assert inexact.status == 503
        assert inexact.json()["missing"] == ["n3"]
        assert inexact.json()["best"] == 4
        cluster.heal()
        with trio.fail_after(PATIENCE_S):
            while (await cluster.ask("n1", "GET", target + "5")).status != 200:
                await trio.sleep(POLL_S)


async def test_a_paused_node_catches_up_when_it_is_resumed(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        cluster.pause("n3")
        client = Client.at(cluster.nodes["n3"].url)
        with pytest.raises(Lost):
            await client.request("GET", "/readyz", wait_s=0.3)
        await count(cluster, "n1", "visits", 50)
        await until(cluster, "n2", "visits", lambda now: now == 50)
        cluster.resume("n3")
        await until(cluster, "n3", "visits", lambda now: now == 50)


async def test_a_stop_by_term_is_clean_and_loses_nothing(tmp_path: Path) -> None:
    async with three_nodes(tmp_path, durability="relaxed") as cluster:
        for name in cluster.nodes:
            await count(cluster, name, "visits", 20)
        assert await cluster.stop() == {"n1": 0, "n2": 0, "n3": 0}
        await cluster.start_all()
        await cluster.ready()
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now == 60)


async def test_a_value_never_goes_down_while_nodes_die_and_return(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        lowest: dict[str, int] = {}

        async def look() -> None:
            for name in ("n1", "n2", "n3"):
                if cluster.nodes[name].running:
                    client = Client.at(cluster.nodes[name].url)
                    now = (await read_counters(client)).get("visits", 0)
                    client.drop()
                    assert now >= lowest.get(name, 0)
                    lowest[name] = now

        for victim in ("n1", "n2", "n3"):
            for name in cluster.nodes:
                await count(cluster, name, "visits", 5)
                await look()
            await cluster.kill(victim)
            await look()
            await cluster.start(victim)
            await cluster.ready()
            await look()
        for name in cluster.nodes:
            await until(cluster, name, "visits", lambda now: now == 45)


async def test_nodes_killed_again_and_again_always_come_back(tmp_path: Path) -> None:
    """Kills fall soon after a start, while rosters and digests are still being exchanged."""
    async with three_nodes(tmp_path) as cluster:
        for round_number in range(KILLS):
            victim = f"n{round_number % 3 + 1}"
            await count(cluster, victim, f"k{round_number}", 5)
            await cluster.kill(victim)
            await cluster.start(victim)
            await cluster.ready()
        seen = await agree(urls(cluster))
        assert seen["n1"] == {f"k{number}": 5 for number in range(KILLS)}


def test_scripts_cluster_starts_real_daemons_and_ctrl_c_stops_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cluster.command", "--directory", str(tmp_path)]
    up = subprocess.Popen(
        [*command, "up", "--http-base", "0", "--peer-base", "0", "--durability", "memory"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert up.stderr is not None
        said = ""
        while "ready;" not in said:
            line = up.stderr.readline()
            assert line, said
            said += line
        status = subprocess.run(
            [*command, "status", "--json"], cwd=ROOT, capture_output=True, check=True, text=True
        )
        nodes = json.loads(status.stdout)["nodes"]
        assert [(node["name"], node["ready"]) for node in nodes] == [
            ("n1", True),
            ("n2", True),
            ("n3", True),
        ]
    finally:
        up.send_signal(signal.SIGINT)
        out, said = up.communicate(timeout=PATIENCE_S)
    assert up.returncode == 0
    *shown, last = [line.split() for line in out.splitlines()]
    assert last[:2] == ["dashboard", nodes[0]["url"] + "/"]
    assert [words[:2] for words in shown] == [[node["name"], node["url"]] for node in nodes]
    assert all(words[2].startswith("redis://127.0.0.1:") for words in shown)
    assert "killed" not in said
    assert not (tmp_path / SOCKET_NAME).exists()
    for node in nodes:
        with pytest.raises(ProcessLookupError):
            os.kill(node["pid"], 0)
