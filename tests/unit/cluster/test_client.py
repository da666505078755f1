"""What the client makes of a node's behaviour, with real sockets on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from tests.cluster.client import Answer, Client, Lost, NotSent, counter_target, read_counters

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def server(*replies: bytes, hang: bool = False) -> AsyncIterator[tuple[Client, list[bytes]]]:
    """Answer each request with the next of `replies`; after the last, close (or hang)."""
    heads: list[bytes] = []
    waiting = list(replies)

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    chunk = await stream.receive_some()
                    if not chunk:
                        return
                    data += chunk
                head, _, data = data.partition(b"\r\n\r\n")
                heads.append(head)
                if waiting:
                    await stream.send_all(waiting.pop(0))
                elif hang:
                    await trio.sleep_forever()
                if not waiting and not hang:
                    return

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            client = Client(*listener.socket.getsockname())
            yield client, heads
            client.drop()
            nursery.cancel_scope.cancel()


async def test_two_requests_share_a_connection() -> None:
    async with server(OK, OK, OK) as (client, heads):
        assert await client.request("GET", "/a") == Answer(200, b"hi")
        first = client._stream
        assert first is not None
        assert await client.request("POST", "/b") == Answer(200, b"hi")
        assert client._stream is first
        assert [head.split(b" ")[1] for head in heads] == [b"/a", b"/b"]


async def test_a_connection_that_the_node_will_close_is_not_used_again() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with server(closing, OK) as (client, _):
        assert (await client.request("GET", "/a")).body == b"hi"
        assert client._stream is None
        assert (await client.request("GET", "/b")).body == b"hi"


async def test_an_idle_connection_that_was_closed_is_replaced_not_lost() -> None:
    async with server(OK) as (client, heads):
        assert (await client.request("GET", "/a")).status == 200
        assert client._stream is not None
        await trio.lowlevel.wait_readable(client._stream.socket)
        with pytest.raises(Lost):  # sent on a new connection, which is closed without an answer
            await client.request("GET", "/b")
        assert len(heads) == 2


async def test_a_port_where_nobody_listens_is_not_sent() -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = listener.socket.getsockname()
    await listener.aclose()
    with pytest.raises(NotSent):
        await Client(*address).request("GET", "/")


@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"not HTTP at all\r\n\r\n"]
)
async def test_a_request_without_a_whole_answer_is_lost(reply: bytes) -> None:
    async with server(reply) as (client, _):
        with pytest.raises(Lost):
            await client.request("POST", "/")


async def test_no_answer_in_time_is_lost() -> None:
    async with server(hang=True) as (client, _):
        with pytest.raises(Lost):
            await client.request("POST", "/", wait_s=0.1)


@pytest.mark.parametrize(
    ("body", "definite"),
    [
        (b'{"error": {"code": "x", "message": "y", "definite": true}}', True),
        (b'{"error": {"code": "x", "message": "y", "definite": false}}', False),
        (b'{"error": {}}', False),
        (b"[]", False),
        (b"<html>", False),
    ],
)
def test_an_error_is_definite_only_where_it_says_so(body: bytes, definite: bool) -> None:
    assert Answer(503, body).definite() is definite


def test_keys_are_encoded_whole() -> None:
    assert counter_target("/a b?c=1+2&ü") == "/v1/counters/%2Fa%20b%3Fc%3D1%2B2%26%C3%BC"


def page(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def test_a_listing_is_read_to_its_last_page() -> None:
    first = page('{"counters": [{"key": "a/b", "value": 2}], "next": "a/b"}')
    last = page('{"counters": [{"key": "c", "value": 9007199254740993}], "next": null}')
    async with server(first, last) as (client, heads):
        assert await read_counters(client) == {"a/b": 2, "c": 9007199254740993}
        assert b"after=a%2Fb" in heads[1]


async def test_a_listing_that_fails_is_an_error_not_an_empty_cluster() -> None:
    async with server(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n") as (client, _):
        with pytest.raises(ConnectionError):
            await read_counters(client)


def expect_refused(make: Callable[[], Client]) -> None:
    with pytest.raises(ValueError, match="is not http://host:port"):
        make()


def test_urls_are_checked() -> None:
    assert Client.at("http://127.0.0.1:7781").port == 7781
    expect_refused(lambda: Client.at("https://127.0.0.1:7781"))
    expect_refused(lambda: Client.at("127.0.0.1:7781"))
