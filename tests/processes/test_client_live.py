"""The client against real daemons that are killed, paused and hidden behind a balancer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from gcounterd.client import Client, CounterError, DefiniteError, IndefiniteError
from gcounterd.client.trio import TrioClient, open_client
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.processes.balancer import Balancer

pytestmark = pytest.mark.slow

# Ends a run that hangs; nothing here takes a third of it.
PATIENCE_S = 60
WORKERS = 8
KILLS = 2


@asynccontextmanager
async def three_nodes(directory: Path) -> AsyncIterator[Cluster]:
    with trio.fail_after(2 * PATIENCE_S):
        async with open_cluster(Plan(directory, 3, 0, 0)) as cluster:
            await cluster.start_all()
            await cluster.ready()
            yield cluster


def urls(cluster: Cluster) -> list[str]:
    return [node.url for node in cluster.nodes.values()]


@attrs.define
class Tally:
    """What a client was told of its increments, each of 1."""

    counted: int = 0
    unknown: int = 0
    refused: int = 0
    replayed: int = 0
    last: str = ""
    moved: trio.Event = attrs.field(factory=trio.Event)

    def answered(self, node: str, *, replayed: bool) -> None:
        self.counted += 1
        self.replayed += replayed
        self.last = node
        self.moved.set()

    def failed(self, error: CounterError) -> None:
        if isinstance(error, IndefiniteError):
            self.unknown += 1
        else:
            assert isinstance(error, DefiniteError)
            self.refused += 1


async def kill_whoever_answers(cluster: Cluster, tally: Tally) -> None:
    """Kill the node that has just counted, with requests under way, and start it again."""
    for _ in range(KILLS):
        tally.moved = trio.Event()
        await tally.moved.wait()
        victim = tally.last
        await cluster.kill(victim)
        await cluster.start(victim)
        await cluster.ready([victim])


async def exact_value(cluster: Cluster, key: str) -> int:
    async with open_client(urls(cluster), timeout_s=30.0) as client:
        return await client.get(key, consistent=True)


async def test_directly_at_nodes_that_are_killed_everything_counts_once(tmp_path: Path) -> None:
    tally = Tally()

    async def work(client: TrioClient, done: trio.Event) -> None:
        while not done.is_set():
            counted = await client.count("visits")
            tally.answered(counted.node, replayed=counted.replayed)

    async with three_nodes(tmp_path) as cluster:
        async with open_client(urls(cluster), direct=True, timeout_s=30.0) as client:
            done = trio.Event()
            async with trio.open_nursery() as nursery:
                for _ in range(WORKERS):
                    nursery.start_soon(work, client, done)
                await kill_whoever_answers(cluster, tally)
                done.set()
        assert await exact_value(cluster, "visits") == tally.counted


async def test_without_that_promise_what_a_kill_leaves_unknown_is_told(tmp_path: Path) -> None:
    tally = Tally()

    def work(client: Client, done: trio.Event) -> None:
        while not done.is_set():
            try:
                counted = client.count("visits")
            except CounterError as error:
                tally.failed(error)
            else:
                trio.from_thread.run_sync(
                    lambda: tally.answered(counted.node, replayed=counted.replayed)  # noqa: B023
                )

    async with three_nodes(tmp_path) as cluster:
        with Client(urls(cluster), timeout_s=1.0) as client:
            done = trio.Event()
            async with trio.open_nursery() as nursery:
                for _ in range(WORKERS):
                    nursery.start_soon(trio.to_thread.run_sync, work, client, done)
                await kill_whoever_answers(cluster, tally)
                done.set()
        value = await exact_value(cluster, "visits")
        assert tally.counted <= value <= tally.counted + tally.unknown
    assert tally.refused == 0  # there was always another node


async def test_behind_a_balancer_a_lost_answer_is_found_at_the_node_that_gave_it(
    tmp_path: Path,
) -> None:
    counts = 60
    async with three_nodes(tmp_path) as cluster, trio.open_nursery() as nursery:
        balancer = Balancer([node.http_port for node in cluster.nodes.values()], lose_every=5)
        url = await nursery.start(balancer.serve)
        async with open_client(url, timeout_s=20.0) as client:
            replayed = 0
            for _ in range(counts):
                replayed += (await client.count("visits")).replayed
        assert await exact_value(cluster, "visits") == counts
        nursery.cancel_scope.cancel()
    assert balancer.lost > 0
    assert replayed > 0
    assert all(balancer.visited.values())


async def test_a_value_never_goes_down_behind_a_balancer_with_a_stale_node(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster, trio.open_nursery() as nursery:
        ports = [node.http_port for node in cluster.nodes.values()]
        url = await nursery.start(Balancer(ports, lose_every=2).serve)
        cluster.cut("n1", "n3")
        cluster.cut("n2", "n3")
        seen = 0
        async with (
            open_client([cluster.find("n1").url]) as writer,
            open_client(url, timeout_s=2.0) as reader,
        ):
            for number in range(1, 5):
                assert (await writer.count("visits")).value == number
                value = await reader.get("visits", least=1)
                assert value >= seen
                seen = value
        assert seen >= 1
        nursery.cancel_scope.cancel()


async def test_a_paused_node_delays_a_count_until_it_goes_on(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster:
        async with open_client(urls(cluster), timeout_s=6.0) as client:
            first = (await client.count("visits")).node
            cluster.pause(first)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.count, "visits")
                # Reads go on meanwhile, at another node.
                assert await client.get("other") == 0
                cluster.resume(first)
        assert await exact_value(cluster, "visits") == 2


async def test_batches_survive_a_kill_and_their_sum_is_exact(tmp_path: Path) -> None:
    async def add(cluster: Cluster) -> None:
        async with open_client(urls(cluster), direct=True, timeout_s=30.0, batch_size=50) as client:
            victim = (await client.count("k0", 2)).node

            async def restart() -> None:
                await cluster.kill(victim)
                await cluster.start(victim)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(restart)
                for number in range(1, 3000):
                    client.add(f"k{number % 3}", 2)
                    if number % 50 == 0:
                        await trio.lowlevel.checkpoint()

    async with three_nodes(tmp_path) as cluster:
        await add(cluster)
        assert [await exact_value(cluster, f"k{name}") for name in range(3)] == [2000] * 3
