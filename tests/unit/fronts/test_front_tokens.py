"""A front knows no tokens: whoever shows one, or needs one, is judged by the node."""

from __future__ import annotations

import re

import pytest
import trio
from front_rig import fronted

from gcounterd.api.access import Access
from gcounterd.security.tokens import Scope, Tokens, new_token
from tests.unit.resp.resp_rig import pack

PUBLIC = (Scope.READ, Scope.COUNT)


# The first word of an answer: a status of HTTP, or what a reply of RESP begins with.
SAID = re.compile(rb"HTTP/1.1 (\d+)|^([-+:][^\s]*)[^\r]*\r\n", re.MULTILINE)


async def tell(port: int, data: bytes, answers: int) -> list[bytes]:
    """Send bytes and return the first word of each answer."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        told = b""
        while len(SAID.findall(told)) < answers:
            told += await stream.receive_some()
    return [status or word for status, word in SAID.findall(told)]


def ask(method: bytes, key: bytes, secret: str = "") -> bytes:
    shown = f"Authorization: Bearer {secret}\r\n".encode() if secret else b""
    return b"%b /v1/counters/%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (method, key, shown)


@pytest.mark.parametrize("public", [(), PUBLIC], ids=["nothing", "all"])
async def test_the_answers_are_the_nodes(public: tuple[Scope, ...]) -> None:
    secret, token = new_token([Scope.COUNT], ["blog/", "b:"], "blog")
    access = Access(public, Tokens([token]))
    free = public == PUBLIC
    async with fronted(access=access) as rig:
        http = ask(b"POST", b"b:1", secret) + ask(b"POST", b"a", secret) + ask(b"POST", b"a")
        told = [b"200", b"200", b"200"] if free else [b"200", b"403", b"401"]
        assert await tell(rig.port, http, 3) == told
        wrong = ask(b"GET", b"a") + ask(b"GET", b"a", "gct_wrong")
        assert await tell(rig.port, wrong, 2) == [b"200" if free else b"401", b"401"]
        resp = pack("INCR", "a") + pack("AUTH", "x") + pack("AUTH", secret) + pack("INCR", "b:1")
        told = [b":3" if free else b"-NOAUTH", b"-WRONGPASS", b"+OK", b":2"]
        assert await tell(rig.resp, resp, 4) == told
        assert rig.backend.value(b"a") == (3 if free else 0)


async def test_where_all_is_public_hot_requests_stay_in_the_front() -> None:
    for public, status, places in ((PUBLIC, b" 200 ", (1, 0)), (PUBLIC[:1], b" 401 ", (0, 1))):
        async with fronted(access=Access(public, Tokens())) as rig:
            stream = await trio.open_tcp_stream("127.0.0.1", rig.port)
            async with stream:
                await stream.send_all(ask(b"POST", b"a"))
                assert status in await stream.receive_some()
                assert (len(rig.hub), len(rig.house)) == places
