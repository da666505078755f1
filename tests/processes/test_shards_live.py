"""Shards behind HAProxy and nutcracker: a counter lives on one of them, and totals are exact.

Increments come through the proxies while a node of one shard is killed and started again. What was
acknowledged is counted, what ended in an error may be, and no other shard has any of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import redis
import trio

from tests.cluster.client import Client, Lost, NotSent, counter_target
from tests.cluster.processes import Cluster
from tests.cluster.programs import lacking
from tests.cluster.shards import (
    HAPROXY,
    HTTP,
    INNER,
    NUTCRACKER,
    RESP,
    SHARDS,
    Shards,
    open_shards,
    read_files,
)

KEYS = 40
# Before the kill, while the node is down, and after it has come back.
ROUNDS = 3
ANSWER_WAIT_S = 30.0
SETTLE_S = 30.0
POLL_S = 0.05


@attrs.define
class Ledger:
    """What clients know of what they counted: for certain, and perhaps."""

    certain: Counter[str] = attrs.Factory(Counter)
    perhaps: Counter[str] = attrs.Factory(Counter)


class Redis:
    """As much of a client as this takes: one connection, one command at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stream: trio.SocketStream | None = None

    async def send(self, *words: str) -> bytes:
        """Return the first line of the reply; raise `Lost` if the connection ends before it."""
        try:
            if self._stream is None:
                self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
            parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
            await self._stream.send_all(f"*{len(words)}\r\n{parts}".encode())
            reply = b""
            with trio.fail_after(ANSWER_WAIT_S):
                while not reply.endswith(b"\r\n"):
                    if not (chunk := await self._stream.receive_some()):
                        raise Lost("closed before the reply")
                    reply += chunk
        except (OSError, trio.BrokenResourceError) as error:
            raise Lost(str(error)) from error
        except Lost:
            await self.drop()
            raise
        return reply

    async def drop(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None


def test_the_page_writes_both_files_and_names_every_port() -> None:
    nodes = [port + n for ports in SHARDS.values() for port in ports for n in range(2)]
    ports = {port: 10_000 + port for port in (HTTP, RESP, *INNER, *nodes)}
    files = read_files(ports)
    assert sorted(files) == ["haproxy.cfg", "nutcracker.yml"]
    assert files["nutcracker.yml"].count(":1 shard-") == len(SHARDS)
    assert all(f":{port}" in files["haproxy.cfg"] for at, port in ports.items() if at != RESP)
    assert f"listen: 127.0.0.1:{ports[RESP]}" in files["nutcracker.yml"]


@pytest.mark.slow
async def test_keys_live_on_one_shard_and_totals_are_exact_though_a_node_is_killed(
    tmp_path: Path,
) -> None:
    if why := lacking(HAPROXY, NUTCRACKER):
        pytest.skip(why)
    async with open_shards(tmp_path) as shards:
        web, line = Client("127.0.0.1", shards.http_port), Redis(shards.resp_port)
        ledger = Ledger()

        async def hit(key: str) -> bool:
            return (await web.request("POST", counter_target(key))).status == 200

        async def incr(key: str) -> bool:
            return (await line.send("INCR", key)).startswith(b":")

        victim = shards.clusters["shard-a"]
        for number in range(ROUNDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_count, hit, "http", ledger)
                nursery.start_soon(_count, incr, "resp", ledger)
                if number == 1:
                    await victim.kill("n1")
                if number == 2:
                    await victim.start("n1")
        await victim.ready()
        await _see_exact(shards, ledger)
        # Both ways in, and shares of them lie on both shards: the proxies did choose.
        placed = [await _values(cluster, ledger) for cluster in shards.clusters.values()]
        for way in ("http", "resp"):
            assert all(any(key.startswith(way) for key in held) for held in placed)
        await _see_reads(web, shards.resp_port, ledger)
        web.drop()
        await line.drop()


async def _count(send: Callable[[str], Awaitable[bool]], way: str, ledger: Ledger) -> None:
    """Count each key once, and note what is known of it."""
    for number in range(KEYS):
        key = f"{way}-{number}"
        try:
            counted = await send(key)
        except NotSent:
            continue
        except Lost:
            counted = False
        (ledger.certain if counted else ledger.perhaps)[key] += 1


async def _values(cluster: Cluster, ledger: Ledger) -> dict[str, int]:
    """Return what every node of a shard shows, once they agree; keys that are 0 left out."""
    keys = sorted(ledger.certain | ledger.perhaps)
    target = "/v1/counters?" + "&".join(f"key={key}" for key in keys)
    with trio.fail_after(SETTLE_S):
        while True:
            found = [
                (await cluster.ask(name, "GET", target)).json()["counters"]
                for name in cluster.nodes
            ]
            if all(each == found[0] for each in found):
                return {row["key"]: row["value"] for row in found[0] if row["value"]}
            await trio.sleep(POLL_S)


async def _see_exact(shards: Shards, ledger: Ledger) -> None:
    """Each counter is on one shard, and lies between what is certain and what is possible."""
    one, other = [await _values(cluster, ledger) for cluster in shards.clusters.values()]
    assert not one.keys() & other.keys()
    for key, certain in ledger.certain.items():
        assert certain <= (one | other).get(key, 0) <= certain + ledger.perhaps[key]
    # Rounds with all nodes up fail nowhere, so most of it is certain.
    assert ledger.certain.total() > ledger.perhaps.total()


async def _see_reads(web: Client, resp_port: int, ledger: Ledger) -> None:
    """What is read through the proxies is of the shard that counted it, with or without a tail."""
    key = next(key for key in ledger.certain if key.startswith("http"))
    for target in (counter_target(key), f"{counter_target(key)}?by_node=true"):
        assert (await web.request("GET", target)).json()["value"] >= ledger.certain[key]
    assert (await web.request("GET", "/v1/top")).status == 404
    keys = [key for key in ledger.certain if key.startswith("resp")]
    values = await trio.to_thread.run_sync(_read_all, resp_port, keys)
    assert all(int(values[key]) >= ledger.certain[key] for key in keys)


def _read_all(port: int, keys: list[str]) -> dict[str, bytes]:
    """Read with redis-py, made as the page says."""
    with redis.Redis(port=port, protocol=2, driver_info=None) as client:
        return dict(zip(keys, client.mget(keys), strict=True))
