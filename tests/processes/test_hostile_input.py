"""Bad input against a real daemon: a clear error or a closed link, counted, and nothing lost."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgpack
import pytest
import trio

from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

PATIENCE_S = 60
IDLE_CONNECTIONS = 5000
# What a daemon may keep of a burst of connections that is over: the allocator's free lists.
MEMORY_LEFT_KIB = 48 * 1024


@asynccontextmanager
async def one_node(directory: Path, *options: str) -> AsyncIterator[Cluster]:
    async with open_cluster(Plan(directory, 1, 0, 0, options=options)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        yield cluster


def speak(port: int, data: bytes) -> bytes:
    """Send bytes, and return all that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
        try:
            sock.sendall(data)
            answer = b""
            while chunk := sock.recv(65_536):
                answer += chunk
        except ConnectionResetError:
            return answer
        return answer


async def request(url: str, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
    client = Client.at(url)
    try:
        answer = await client.request(method, target, body)
        return answer.status, answer.body
    finally:
        client.drop()


async def events(url: str) -> dict[str, float]:
    """Return the named events of `/metrics`."""
    _, text = await request(url, "GET", "/metrics")
    found = re.findall(r'gcounterd_events_total\{event="(\w+)"\} (\S+)', text.decode())
    return {name: float(number) for name, number in found}


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def hello(**changes: object) -> bytes:
    """Return a hello in the wire's own encoding, made by the code under test."""
    from nodes import hello as make

    from gcounterd.wire.hellos import encode_hello

    return encode_hello(make("z", **changes))


PEER_INPUT = {
    "http_on_peer_port": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "hello_too_large": struct.pack(">I", 0xFFFFFFFF) + b"x",
    "empty_frame": struct.pack(">I", 0),
    "not_msgpack": frame(b"\xc1\xc1\xc1"),
    "bad_shape": frame(msgpack.packb([1, 2, 3])),
}


async def test_strangers_on_the_peer_port_are_told_no_and_counted(tmp_path: Path) -> None:
    async with one_node(tmp_path) as cluster:
        node = cluster.find("n1")
        before = await events(node.url)
        for data in PEER_INPUT.values():
            await trio.to_thread.run_sync(speak, node.peer_port, data)
        after = await events(node.url)
        rose = {name for name in after if after[name] > before.get(name, 0)}
        assert set(PEER_INPUT) <= rose
        status, _ = await request(node.url, "POST", counter_target("x"))
        assert status == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"cluster": "other"}, "wrong_cluster"), ({"version": 99}, "wrong_version")],
)
async def test_another_cluster_or_version_is_refused_before_anything_is_merged(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    async with one_node(tmp_path) as cluster:
        node = cluster.find("n1")
        greeting = hello(**{"cluster": "demo", **changes})
        answer = await trio.to_thread.run_sync(speak, node.peer_port, greeting)
        assert reason.encode() in answer
        _, body = await request(node.url, "GET", "/v1/cluster")
        assert body.count(b'"id"') == 1


HTTP_INPUT = {
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": b"400",
    b"PING\r\n\r\n": b"400",
    b"GET / HTTP/9.9\r\n\r\n": b"",
    b"POST /v1/counters/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n": b"400",
    b"POST /v1/counters/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n": b"413",
    b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n": b"41",
    b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000: b"431",
    b"POST /v1/counters/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n": b"40",
    b"POST /v1/counters/%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n": b"400",
    b"POST /v1/counters/" + b"k" * 1025 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close"
    b"\r\n\r\n": b"400",
    b"GET /v1/cluster HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n": b"421",
}


async def test_garbage_on_the_http_port_gets_a_clear_error(tmp_path: Path) -> None:
    async with one_node(tmp_path) as cluster:
        node = cluster.find("n1")
        for data, status in HTTP_INPUT.items():
            answer = await trio.to_thread.run_sync(speak, node.http_port, data)
            line = answer.partition(b"\r\n")[0]
            assert line.startswith(b"HTTP/1.1 4" if status else b"HTTP/1.1 "), (data[:60], line)
            assert status in line, (data[:60], line)
        status, body = await request(node.url, "GET", "/v1/counters?prefix=")
        assert (status, body) == (200, b'{"counters":[],"next":null}')


RESP_INPUT = {
    b"*1000000000\r\n": b"-ERR Protocol error: more than",
    b"*2\r\n$4\r\nINCR\r\n$1000000000\r\n": b"-ERR Protocol error: an argument",
    b"*1\r\n" * 5000: b"-ERR Protocol error: expected '$'",
    b"%1000000000\r\nQUIT\r\n": b"-ERR unknown command",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    + b"x" * 20_000: b"-ERR Protocol error: too big",
    b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nINCR x\r\n": b"",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nINCR x\r\n": b"",
    b"*2\r\n$4\r\nINCR\r\n$0\r\n\r\nQUIT\r\n": b"-ERR a key is",
    b"*2\r\n$4\r\nINCR\r\n$2\r\n\xff\xfe\r\nQUIT\r\n": b"-ERR a key is",
}


async def test_garbage_on_the_resp_port_counts_nothing_and_costs_nothing(tmp_path: Path) -> None:
    async with one_node(tmp_path) as cluster:
        node = cluster.find("n1")
        assert node.process is not None
        before = resident_kib(node.process.pid)
        for data, told in RESP_INPUT.items():
            answer = await trio.to_thread.run_sync(speak, node.resp_port, data)
            assert answer.startswith(told), (data[:60], answer[:60])
            assert told or not answer
        assert resident_kib(node.process.pid) < before + 8 * 1024
        status, body = await request(node.url, "GET", "/v1/counters?prefix=")
        assert (status, body) == (200, b'{"counters":[],"next":null}')


@pytest.mark.parametrize(
    "amount",
    ["0", "-1", "2147483649", "1.5", "true", "NaN", '"1"', "1e3", "null", "[1]", "9" * 400],
)
async def test_an_amount_that_is_none_counts_nothing(tmp_path: Path, amount: str) -> None:
    async with one_node(tmp_path) as cluster:
        url = cluster.find("n1").url
        body = f'{{"by": {amount}}}'.encode()
        status, answer = await request(url, "POST", counter_target("x"), body)
        assert status == 400
        assert b'"definite":true' in answer
        _, answer = await request(url, "GET", counter_target("x"))
        assert b'"value":0' in answer


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


async def test_five_thousand_idle_connections_cost_little_and_are_given_back(
    tmp_path: Path,
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * IDLE_CONNECTIONS:
        pytest.skip(f"this machine allows {hard} open files, too few for both ends")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[socket.socket] = []
    try:
        async with one_node(tmp_path) as cluster:
            node = cluster.find("n1")
            assert node.process is not None
            before = resident_kib(node.process.pid)
            for _ in range(IDLE_CONNECTIONS):
                idle.append(socket.create_connection(("127.0.0.1", node.http_port)))
                if len(idle) % 250 == 0:  # let the node accept; its backlog is finite
                    assert (await request(node.url, "POST", counter_target("x")))[0] == 200
            per_connection = (resident_kib(node.process.pid) - before) / IDLE_CONNECTIONS
            assert per_connection < 32
            for sock in idle:
                sock.close()
            assert (await request(node.url, "POST", counter_target("x")))[0] == 200
            with trio.fail_after(PATIENCE_S):
                while resident_kib(node.process.pid) > before + MEMORY_LEFT_KIB:
                    await trio.sleep(0.1)
            _, body = await request(node.url, "GET", counter_target("x"))
            assert b'"value":%d' % (IDLE_CONNECTIONS // 250 + 1) in body
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
