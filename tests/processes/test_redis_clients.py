"""Clients of Redis, as they are, at real nodes: redis-py, redis-cli, redis-benchmark."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import redis
import redis.asyncio
import trio

from gcounterd.resp.table import OTHERS
from tests.cluster.processes import Node, Plan, open_cluster

pytestmark = pytest.mark.slow

PATIENCE_S = 60
# A library that repeats by itself would count twice what a test kills in the middle.
ONCE = redis.retry.Retry(redis.backoff.NoBackoff(), 0)


def count_and_read(port: int, protocol: int) -> None:
    """Do with redis-py what programs do."""
    key = f"hits{protocol}"
    with redis.Redis(port=port, protocol=protocol, decode_responses=True, client_name="me") as node:
        assert node.ping()
        assert [node.incr(key), node.incr(key, 5), node.incrby(key, 1)] == [1, 6, 7]
        assert (node.get(key), node.get("nobody")) == ("7", None)
        assert node.mget(key, "nobody") == ["7", None]
        assert (node.exists(key, "nobody"), node.type(key)) == (1, "string")
        assert key in set(node.scan_iter(match="hits*"))
        assert node.dbsize() >= 1
        assert (node.client_getname(), node.echo("hi")) == ("me", "hi")
        assert node.config_get("appendonly") == {"appendonly": "yes"}
        assert node.info("server")["redis_mode"] == "standalone"
        assert "incr" in node.command()
        assert node.execute_command("GCOUNTER.GET", key, "MIN", 7, "CONSISTENT") == "7"
        with node.pipeline() as together:
            together.incr(key).incr("other").get(key)
            first, _, read = together.execute()
            assert (first, read) == (8, "8")
        with node.pipeline(transaction=False) as line:
            for _ in range(3000):
                line.incr(key)
            assert line.execute() == list(range(9, 3009))
        refuse(node, key)


def refuse(node: redis.Redis, key: str) -> None:
    """See that nothing lowers or sets a counter, and that it costs the connection nothing."""
    for name in sorted(OTHERS):
        with pytest.raises(redis.ResponseError, match="counters only grow"):
            node.execute_command(name, key, 1)
    with pytest.raises(redis.ResponseError, match="counters only grow"):
        node.incr(key, -1)
    with pytest.raises(redis.exceptions.ExecAbortError), node.pipeline() as together:
        together.incr(key).incr(key, -1).execute()
    assert node.get(key) == "3008"


async def count_in_asyncio(port: int) -> list[object]:
    """Count with redis-py's client for asyncio, from several tasks."""
    async with redis.asyncio.Redis(port=port, decode_responses=True) as node:
        await asyncio.gather(*(node.incr("tasks") for _ in range(20)))
        async with node.pipeline() as together:
            return list(await together.incr("tasks").get("tasks").execute())


def wait_for(port: int, key: str, others: int, milliseconds: int) -> int:
    """Count once, and return how many others are told to hold it."""
    with redis.Redis(port=port, retry=ONCE) as node:
        node.incr(key)
        return int(node.wait(others, milliseconds))


def run(*command: str | int, text: str = "") -> str:
    """Run a program, and return what it prints."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    return done.stdout


async def test_redis_py_counts_and_waits_at_three_nodes(tmp_path: Path) -> None:
    async with open_cluster(Plan(tmp_path, 3, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").resp_port
        for protocol in (2, 3):
            await trio.to_thread.run_sync(count_and_read, port, protocol)
        told = await trio.to_thread.run_sync(lambda: asyncio.run(count_in_asyncio(port)))
        assert told == [21, "21"]
        ask = partial(trio.to_thread.run_sync, wait_for)
        assert await ask(port, "waited", 2, 30_000) == 2
        cluster.pause("n3")
        assert await ask(port, "waited", 1, 30_000) == 1
        assert await ask(port, "waited", 2, 200) == 1
        cluster.resume("n3")
        assert await ask(port, "waited", 2, 30_000) == 2


class Tally:
    """What clients of one node were told, until it is killed."""

    def __init__(self) -> None:
        self.acked: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()

    def count(self, port: int, key: str) -> None:
        """Count in pipelines until the node is gone."""
        try:
            with redis.Redis(port=port, retry=ONCE) as node:
                while True:
                    with node.pipeline(transaction=False) as line:
                        for _ in range(20):
                            line.incr(key)
                        self.asked[key] += 20
                        self.acked[key] += len(line.execute())
        except redis.ConnectionError:
            pass


async def test_increments_that_were_answered_outlive_kills(tmp_path: Path) -> None:
    tally = Tally()
    keys = [f"key{number}" for number in range(4)]
    async with open_cluster(Plan(tmp_path, 1, 0, 0)) as cluster:
        for _ in range(3):
            await cluster.start("n1")
            await cluster.ready()
            node, before = cluster.find("n1"), tally.acked.total()
            async with trio.open_nursery() as nursery:
                for key in keys:
                    nursery.start_soon(trio.to_thread.run_sync, tally.count, node.resp_port, key)
                while tally.acked.total() < before + 2000:
                    await trio.sleep(0.01)
                await cluster.kill("n1")
        await cluster.start("n1")
        await cluster.ready()
        with redis.Redis(port=cluster.find("n1").resp_port) as client:
            values = [int(value) for value in client.mget(keys)]
    for key, value in zip(keys, values, strict=True):
        assert tally.acked[key] <= value <= tally.asked[key]


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
async def test_redis_cli_and_redis_benchmark_work(tmp_path: Path) -> None:
    async with open_cluster(Plan(tmp_path, 1, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        node = cluster.find("n1")
        await trio.to_thread.run_sync(type_commands, node)
        if shutil.which("redis-benchmark") is not None:
            await trio.to_thread.run_sync(benchmark, node)


def type_commands(node: Node) -> None:
    cli = ("redis-cli", "-p", node.resp_port)
    assert run(*cli, "INCR", "a") == "1\n"
    assert run(*cli, "-3", "HELLO", "3").startswith("server gcounterd")
    assert run(*cli, text="MULTI\nINCR a\nINCR b\nEXEC\nGET a\nDECR a\n").split("\n") == [
        *("OK", "QUEUED", "QUEUED", "2", "1", "2", "ERR counters only grow", "", "")
    ]
    assert run(*cli, "--scan", "--pattern", "b*") == "b\n"


def benchmark(node: Node) -> None:
    shape = ("-n", 2000, "-c", 10, "-r", 100, "--csv")
    for depth in (1, 16):
        told = run("redis-benchmark", "-p", node.resp_port, "-t", "incr", "-P", depth, *shape)
        assert told.splitlines()[-1].startswith('"INCR"')
    with redis.Redis(port=node.resp_port) as client:
        counted = [int(client.get(key)) for key in client.scan_iter(match="counter:*")]
    assert sum(counted) == 4000
