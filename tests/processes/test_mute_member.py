"""A member on real sockets that accepts, says hello and never reads again; and one that floods."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from nodes import hello

from gcounterd.ids import Epoch, NodeId, draw_epoch
from gcounterd.members.buckets import BUCKETS
from gcounterd.members.roster import Entry, State
from gcounterd.members.table import SUM_BYTES
from gcounterd.node.messages import Channel, Hello, Roster, Survey
from gcounterd.wire.codec import encode
from gcounterd.wire.frames import HELLO_BYTES_MAX, LENGTH_BYTES
from gcounterd.wire.hellos import decode_hello, encode_hello
from tests.cluster.client import Client
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

PATIENCE_S = 90
POLL_S = 0.1
NAMES = ("n1", "n2", "n3")
SURVEYS = 100_000


@attrs.define(eq=False)
class Mute:
    """A member "mute": it answers hellos, and nothing else for ever."""

    address: str = ""
    node: NodeId = attrs.Factory(lambda: NodeId(secrets.token_bytes(16)))
    epoch: Epoch = attrs.Factory(
        lambda: draw_epoch(int(time.time() * 1000), secrets.randbits(80), None)
    )
    met: int = 0
    _held: list[trio.SocketStream] = attrs.Factory(list)

    def hello(self, channel: Channel) -> Hello:
        return hello(
            "z",
            channel,
            cluster="demo",
            node=self.node,
            name="mute",
            epoch=self.epoch,
            address=self.address,
        )

    def close(self) -> None:
        for stream in self._held:
            stream.socket.close()

    async def listen(self, task_status: trio.TaskStatus = trio.TASK_STATUS_IGNORED) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        task_status.started()
        await trio.serve_listeners(self._greet, [listener])

    async def _greet(self, stream: trio.SocketStream) -> None:
        self._held.append(stream)  # kept open, and never read again
        said = await read_hello(stream)
        await stream.send_all(encode_hello(self.hello(said.channel)))
        self.met += 1
        await trio.sleep_forever()

    async def dial(self, port: int, channel: Channel) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        self._held.append(stream)
        await stream.send_all(encode_hello(self.hello(channel)))
        await read_hello(stream)
        return stream


@asynccontextmanager
async def a_mute_member() -> AsyncIterator[Mute]:
    mute = Mute()
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(mute.listen)
            yield mute
        finally:
            nursery.cancel_scope.cancel()
            mute.close()


async def read_hello(stream: trio.SocketStream) -> Hello:
    data = b""
    while len(data) < LENGTH_BYTES or len(data) < LENGTH_BYTES + int.from_bytes(data[:4], "big"):
        data += await stream.receive_some(HELLO_BYTES_MAX)
    size = int.from_bytes(data[:LENGTH_BYTES], "big")
    found = decode_hello(data[LENGTH_BYTES : LENGTH_BYTES + size])
    assert isinstance(found, Hello), found
    return found


@asynccontextmanager
async def three_nodes(directory: Path) -> AsyncIterator[Cluster]:
    async with open_cluster(Plan(directory, len(NAMES), 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        yield cluster


async def get(cluster: Cluster, name: str, target: str) -> Any:
    client = Client.at(cluster.find(name).url)
    try:
        return (await client.request("GET", target, b"")).json()
    finally:
        client.drop()


async def liveness(cluster: Cluster, name: str) -> dict[str, str]:
    shown = await get(cluster, name, "/v1/cluster")
    return {each["name"]: each["liveness"] for each in shown["nodes"]}


async def dead_ever(cluster: Cluster, name: str) -> list[str]:
    answer = await get(cluster, name, "/v1/events?limit=256")
    return [each["member"] for each in answer["events"] if each["event"] == "dead"]


async def test_a_member_that_accepts_and_never_reads_dies_alone(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster, a_mute_member() as mute:
        bulk = await mute.dial(cluster.find("n1").peer_port, Channel.BULK)
        entry = Entry(mute.node, mute.epoch, 0, "mute", mute.address, State.ACTIVE)
        await bulk.send_all(encode(Roster((entry,))))
        expected = dict.fromkeys(NAMES, "alive") | {"mute": "dead"}
        with trio.fail_after(PATIENCE_S):
            for name in NAMES:
                while await liveness(cluster, name) != expected:
                    await trio.sleep(POLL_S)
        assert mute.met > 0  # it was not the dial that failed
        for name in NAMES:
            assert set(await dead_ever(cluster, name)) == {"mute"}


async def test_a_hundred_thousand_surveys_are_counted_and_nobody_is_missed(tmp_path: Path) -> None:
    async with three_nodes(tmp_path) as cluster, a_mute_member() as mute:
        control = await mute.dial(cluster.find("n1").peer_port, Channel.CONTROL)
        survey = encode(Survey(b"\xff" * BUCKETS * SUM_BYTES, reply=False))
        with trio.fail_after(PATIENCE_S):
            for _ in range(SURVEYS // 100):
                await control.send_all(survey * 100)
            while await excess(cluster, "n1") < 0.9 * SURVEYS:
                await trio.sleep(POLL_S)
            for name in NAMES:
                while await liveness(cluster, name) != dict.fromkeys(NAMES, "alive"):
                    await trio.sleep(POLL_S)
        assert [await dead_ever(cluster, name) for name in NAMES] == [[], [], []]


async def excess(cluster: Cluster, name: str) -> float:
    client = Client.at(cluster.find(name).url)
    try:
        text = (await client.request("GET", "/metrics", b"")).body.decode()
    finally:
        client.drop()
    (line,) = [each for each in text.splitlines() if 'what="surveys_excess"' in each]
    return float(line.split()[-1])
