"""A copied data directory that is started beside its original, with real daemons."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cluster.client import Client, counter_target, read_counters
from tests.cluster.processes import DAEMON, Cluster, Plan, open_cluster
from tests.cluster.replay import agree

pytestmark = pytest.mark.slow

# Ends a run that hangs.
PATIENCE_S = 60
POLL_S = 0.05


@asynccontextmanager
async def three_nodes(directory: Path) -> AsyncIterator[Cluster]:
    async with open_cluster(Plan(directory, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        yield cluster


def copy_data(cluster: Cluster, name: str, copy: Path) -> None:
    """Copy the data directory of a paused node."""
    data = cluster.find(name).directory / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("admin.sock", "lock"))


def command(cluster: Cluster, name: str, copy: Path) -> list[str]:
    """Return what starts a node on a copy of its data, at addresses of its own."""
    options = ["--name", name, "--cluster", "demo", "--data-dir", str(copy)]
    options += ["--peer", "127.0.0.1:0", "--http", "127.0.0.1:0", "--resp", "off"]
    for node in cluster.nodes.values():
        if node.name != name:
            options += ["--join", f"127.0.0.1:{node.front_port}"]
    return [*DAEMON, *options]


def environment() -> dict[str, str]:
    return {key: v for key, v in os.environ.items() if not key.startswith("GCOUNTERD_")}


async def count(cluster: Cluster, name: str, times: int) -> None:
    client = Client.at(cluster.find(name).url)
    try:
        for _ in range(times):
            answer = await client.request("POST", counter_target("visits"))
            assert answer.status == 200, answer
    finally:
        client.drop()


async def until_counted(url: str, wanted: int) -> None:
    with trio.fail_after(PATIENCE_S):
        while True:
            client = Client.at(url)
            seen = await read_counters(client)
            client.drop()
            if seen.get("visits") == wanted:
                return
            await trio.sleep(POLL_S)


async def test_a_copy_beside_its_original_ends_with_4_and_the_original_counts_on(
    tmp_path: Path,
) -> None:
    async with three_nodes(tmp_path) as cluster:
        await count(cluster, "n1", 5)
        cluster.pause("n1")
        copy_data(cluster, "n1", tmp_path / "copy")
        cluster.resume("n1")
        await cluster.ready()
        with trio.fail_after(PATIENCE_S):
            ended = await trio.run_process(
                command(cluster, "n1", tmp_path / "copy"),
                check=False,
                capture_stderr=True,
                env=environment(),
            )
        said = ended.stderr.decode()
        assert ended.returncode == 4, said
        original = cluster.find("n1")
        where = f"127.0.0.1:{original.front_port}"
        assert f"another process with this node's id runs at {where}" in said
        assert original.state == "running"
        await count(cluster, "n1", 7)
        for node in cluster.nodes.values():
            await until_counted(node.url, 12)
        assert (await agree({n: node.url for n, node in cluster.nodes.items()}))["n2"] == {
            "visits": 12
        }


async def test_a_copy_takes_over_from_an_original_that_stands_still_which_then_ends(
    tmp_path: Path,
) -> None:
    async with three_nodes(tmp_path) as cluster:
        await count(cluster, "n1", 5)
        original = cluster.find("n1")
        assert original.process is not None
        original.ending = True  # it will end by itself, and that is no news
        cluster.pause("n1")
        copy_data(cluster, "n1", tmp_path / "copy")
        copy = await trio.lowlevel.open_process(
            command(cluster, "n1", tmp_path / "copy"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        try:
            await until_alive(cluster, "n2", "n1", f"127.0.0.1:{original.front_port}")
            await count(cluster, "n2", 1)
            cluster.resume("n1")
            with trio.fail_after(PATIENCE_S):
                assert await original.process.wait() == 4
            assert copy.poll() is None
            for name in ("n2", "n3"):
                await until_counted(cluster.find(name).url, 6)
        finally:
            copy.kill()
            await copy.wait()


async def until_alive(cluster: Cluster, by: str, name: str, not_at: str) -> None:
    """Wait until a member sees another alive, at another address than before."""
    with trio.fail_after(PATIENCE_S):
        while True:
            client = Client.at(cluster.find(by).url)
            shown = (await client.request("GET", "/v1/cluster")).json()["nodes"]
            client.drop()
            (member,) = [node for node in shown if node["name"] == name]
            if member["address"] != not_at and member["liveness"] == "alive":
                return
            await trio.sleep(POLL_S)
