"""That the replay believes nobody: counters on real sockets that are right, or wrong on purpose."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, unquote, urlsplit

import attrs
import pytest
import trio

from tests.cluster import replay
from tests.cluster.replay import ReplayError, Settings, agree, replay_to

SETTINGS = Settings(seed=7, connections=8, limit=600)
PAGE = 100


@attrs.define
class Counting:
    """A node without a cluster. `misbehave(number of the increment)` says what it does wrong."""

    counters: Counter[str] = attrs.field(factory=Counter)
    increments: int = 0
    misbehave: Callable[[int], str] = lambda _: ""

    def answer(self, method: str, target: str) -> bytes | None:
        """Return the whole response, or None to break the connection."""
        parts = urlsplit(target)
        if parts.path == "/readyz":
            return _response(200, {})
        if method == "GET":
            query = parse_qs(parts.query, keep_blank_values=True)
            return _response(200, self._page(query.get("after", [""])[0]))
        return self._increment(unquote(parts.path.removeprefix("/v1/counters/")))

    def _page(self, after: str) -> dict[str, object]:
        keys = sorted(key for key in self.counters if key > after)
        items = [{"key": key, "value": self.counters[key]} for key in keys[:PAGE]]
        return {"counters": items, "next": keys[PAGE - 1] if len(keys) > PAGE else None}

    def _increment(self, key: str) -> bytes | None:
        self.increments += 1
        act = self.misbehave(self.increments)
        if act in ("refuse", "doubt"):
            error = {"code": "x", "message": "y", "definite": act == "refuse"}
            return _response(503, {"error": error})
        self.counters[key] += {"forget": 0, "double": 2}.get(act, 1)
        return None if act == "break" else _response(200, {"key": key, "value": 1})


def _response(status: int, body: object) -> bytes:
    data = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(data), data)


@asynccontextmanager
async def listening(*nodes: Counting) -> AsyncIterator[dict[str, str]]:
    """Serve the nodes; yields name → URL."""

    async def serve(node: Counting, stream: trio.SocketStream) -> None:
        async with stream:
            data = b""
            async for chunk in stream:
                data += chunk
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    method, target, _ = head.decode().split(" ", 2)
                    response = node.answer(method, target)
                    if response is None:
                        return
                    await stream.send_all(response)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            urls = {}
            for number, node in enumerate(nodes, start=1):
                [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
                urls[f"n{number}"] = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"

                async def handler(stream: trio.SocketStream, node: Counting = node) -> None:
                    await serve(node, stream)

                nursery.start_soon(trio.serve_listeners, handler, [listener])
            yield urls
            nursery.cancel_scope.cancel()


def sharing(*behaviours: Callable[[int], str]) -> list[Counting]:
    """Make nodes that agree at all times, since they hold the same counters."""
    counters: Counter[str] = Counter()
    return [Counting(counters, misbehave=behaviour) for behaviour in behaviours]


def honest(_: int) -> str:
    return ""


def every(step: int, act: str) -> Callable[[int], str]:
    return lambda number: act if number % step == 0 else ""


async def test_honest_counters_pass_and_all_nodes_are_used() -> None:
    nodes = sharing(honest, honest, honest)
    async with listening(*nodes) as urls:
        report = await replay_to(SETTINGS, urls)
    assert report["wrong"] == []
    assert (report["acknowledged"], report["indefinite"], report["range_paths"]) == (600, 0, 0)
    assert min(node.increments for node in nodes) > 100


async def test_the_seed_decides_whom_a_request_goes_to() -> None:
    async def shares(seed: int) -> list[int]:
        nodes = sharing(honest, honest)
        async with listening(*nodes) as urls:
            await replay_to(attrs.evolve(SETTINGS, seed=seed), urls)
        return [node.increments for node in nodes]

    assert await shares(1) == await shares(1)
    assert await shares(1) != await shares(2)


async def test_counters_from_before_are_subtracted() -> None:
    nodes = sharing(honest, honest)
    nodes[0].counters.update({"/favicon.ico": 1000, "unrelated": 5})
    async with listening(*nodes) as urls:
        assert (await replay_to(SETTINGS, urls))["wrong"] == []


@pytest.mark.parametrize("act", ["forget", "double"])
async def test_one_increment_lost_or_counted_twice_is_found(act: str) -> None:
    nodes = sharing(lambda number: act if number == 300 else "")
    async with listening(*nodes) as urls:
        report = await replay_to(SETTINGS, urls)
    [fault] = report["wrong"]
    assert ", not " in fault


async def test_a_definite_refusal_is_sent_again_elsewhere_and_counts_once() -> None:
    nodes = sharing(every(10, "refuse"), honest)
    async with listening(*nodes) as urls:
        report = await replay_to(SETTINGS, urls)
    assert report["wrong"] == []
    assert report["acknowledged"] == 600
    assert sum(node.increments for node in nodes) > 600


@pytest.mark.parametrize("act", ["break", "doubt"])
async def test_a_request_in_doubt_is_not_repeated_and_makes_a_range(act: str) -> None:
    nodes = sharing(every(50, act), honest)
    async with listening(*nodes) as urls:
        report = await replay_to(SETTINGS, urls)
    assert report["wrong"] == []
    assert report["indefinite"] == nodes[0].increments // 50 > 0
    assert report["acknowledged"] + report["indefinite"] == 600
    assert sum(node.increments for node in nodes) == 600


async def test_a_dead_node_costs_nothing_but_a_try() -> None:
    [node] = sharing(honest)
    [closed] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    dead = f"http://127.0.0.1:{closed.socket.getsockname()[1]}"
    await closed.aclose()
    async with listening(node) as urls:
        player = replay.Player({**urls, "dead": dead}, ["a", "b"] * 50, SETTINGS)
        await player.play()
    assert player.ledger.acknowledged == {"a": 50, "b": 50}
    assert node.counters == {"a": 50, "b": 50}


async def test_nodes_that_never_agree_are_named_with_a_key_that_differs() -> None:
    one, other = Counting(Counter(a=1, b=2)), Counting(Counter(a=1, b=3))
    async with listening(one, other) as urls:
        with pytest.raises(ReplayError, match="n1 and n2 differ in 1 keys, as b: 2 at n1, 3 at n2"):
            await agree(urls, wait_s=0.3)
        other.counters["b"] = 2
        assert await agree(urls) == {"n1": {"a": 1, "b": 2}, "n2": {"a": 1, "b": 2}}


async def test_refusals_without_end_are_an_error_with_the_last_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "REFUSED_WAIT_S", 0.3)
    async with listening(*sharing(every(1, "refuse"))) as urls:
        player = replay.Player(urls, ["a"], SETTINGS)
        with pytest.raises(ExceptionGroup) as caught:
            await player.play()
    [error] = caught.value.exceptions
    assert "no node took a in 0.3 s; the last said: 503" in str(error)
