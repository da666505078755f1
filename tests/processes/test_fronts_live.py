"""A node with fronts: counted as without, one of them killed, all ended with the node."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import pytest
import trio

from tests.cluster.client import Client, Lost, NotSent
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

FRONTS = 2
CLIENTS = 8


@attrs.define
class Tally:
    """What clients saw: answered for certain, and of unknown outcome."""

    answered: int = 0
    unknown: int = 0
    stopping: bool = False


def fronts_of(cluster: Cluster) -> list[int]:
    """Return the process ids of all fronts that n1 ever started."""
    lines = (cluster.find("n1").directory / "log").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [event["pid"] for event in events if event["event"] == "front_started"]


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    while not holds():
        await trio.sleep(0.05)


def runs(pid: int) -> bool:
    """Say whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def count_on(port: int, tally: Tally) -> None:
    """Count by one, over and over, on one connection after another."""
    client = Client("127.0.0.1", port)
    while not tally.stopping:
        try:
            answer = await client.request("POST", "/v1/counters/hits")
        except NotSent:
            continue
        except Lost:
            tally.unknown += 1
            continue
        assert answer.status == 200, answer
        tally.answered += 1
    client.drop()


async def test_a_front_that_is_killed_is_started_again_and_the_count_stays_exact(
    tmp_path: Path,
) -> None:
    plan = Plan(tmp_path, 1, 0, 0, options=("--fronts", str(FRONTS)))
    async with open_cluster(plan) as cluster:
        await cluster.start_all()
        await cluster.ready()
        first = fronts_of(cluster)
        assert len(first) == FRONTS
        tally = Tally()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(CLIENTS):
                    nursery.start_soon(count_on, cluster.find("n1").http_port, tally)
                await until(lambda: tally.answered > 200)
                os.kill(first[0], signal.SIGKILL)
                await until(lambda: len(fronts_of(cluster)) > FRONTS)
                reached = tally.answered
                await until(lambda: tally.answered > reached + 200)
                tally.stopping = True
        value = (await cluster.ask("n1", "GET", "/v1/counters/hits")).json()["value"]
        assert tally.answered <= value <= tally.answered + tally.unknown
        top = await cluster.ask("n1", "GET", "/v1/top")  # by the owner, on a connection of a front
        assert top.json()["counters"] == [{"key": "hits", "value": value}]
        assert await cluster.stop("n1") == {"n1": 0}
        assert not [pid for pid in fronts_of(cluster) if runs(pid)]


async def shown(stream: trio.SocketStream, value: int) -> None:
    """Read a stream of one counter until it shows that value."""
    counts: dict[str, int] = {}
    rest = b""
    while sum(counts.values()) != value:
        chunk = await stream.receive_some(65536)
        assert chunk, "the stream ended"
        *events, rest = (rest + bytes(chunk)).split(b"\n\n")
        for event in events:
            data = event.rpartition(b"data: ")[2]
            told = json.loads(data).get("counters", {}) if data.startswith(b"{") else {}
            counts |= {node: int(count) for node, count in told.get("site/a", {}).items()}
        assert sum(counts.values()) <= value


async def test_pages_are_served_beside_fronts_and_streams_outlive_them(tmp_path: Path) -> None:
    plan = Plan(tmp_path, 1, 0, 0, options=("--fronts", str(FRONTS)))
    async with open_cluster(plan) as cluster, AsyncExitStack() as held:
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").http_port

        async def ask(method: str, target: str) -> bytes:
            answer = await cluster.ask("n1", method, target)
            assert answer.status == 200, answer
            return answer.body

        with trio.fail_after(60):
            streams = []
            for _ in range(2 * CLIENTS):  # the kernel spreads them over both fronts
                stream = await held.enter_async_context(
                    await trio.open_tcp_stream("127.0.0.1", port)
                )
                await stream.send_all(
                    b"GET /v1/stream?key=site/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
                )
                streams.append(stream)
            for number in range(CLIENTS):
                assert json.loads(await ask("GET", "/hit/site/a"))["value"] == 2 * number + 1
                await ask("POST", "/v1/counters/site%2Fa")
            counted = 2 * CLIENTS
            for stream in streams:
                await shown(stream, counted)
            assert f"views: {counted}".encode() in await ask("GET", "/badge/site/a.svg")
            assert b"import" in await ask("GET", "/gcounter.js")
            assert b"</html>" in await ask("GET", "/")

            for pid in fronts_of(cluster):
                os.kill(pid, signal.SIGKILL)
            await until(lambda: len(fronts_of(cluster)) == 2 * FRONTS)
            await ask("GET", "/hit/site/a")
            for stream in streams:
                await shown(stream, counted + 1)


async def test_fronts_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    plan = Plan(tmp_path, 1, 0, 0, options=("--fronts", str(FRONTS)))
    async with open_cluster(plan) as cluster:
        await cluster.start_all()
        await cluster.ready()
        await cluster.ask("n1", "POST", "/v1/counters/hits")
        fronts = fronts_of(cluster)
        await cluster.kill("n1")
        with trio.fail_after(20):
            await until(lambda: not [pid for pid in fronts if runs(pid)])
        # Nobody holds the ports any more, and what was answered is there.
        await cluster.start("n1")
        await cluster.ready()
        assert (await cluster.ask("n1", "GET", "/v1/counters/hits")).json()["value"] == 1
