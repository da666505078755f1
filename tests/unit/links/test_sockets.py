"""What the kernel is told about a connection between peers."""

from __future__ import annotations

import socket

import pytest
import trio

from gcounterd.errors import ConfigError
from gcounterd.links.sockets import listen_peers, part, tune


async def stream_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    dialled = await trio.open_tcp_stream("127.0.0.1", port)
    accepted = await listener.accept()
    await listener.aclose()
    return dialled, accepted


@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the platform has no such bound"
)
async def test_unanswered_bytes_end_a_connection_after_the_given_time() -> None:
    dialled, accepted = await stream_pair()
    tune(dialled.socket, 2.5)
    assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2500
    assert dialled.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert dialled.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    dialled.socket.close()
    accepted.socket.close()


async def test_a_last_word_is_read_although_the_peer_was_still_talking() -> None:
    dialled, accepted = await stream_pair()
    await accepted.send_all(b"chatter" * 1000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(part, dialled, 20, b"farewell")
        assert await accepted.receive_some() == b"farewell"
        assert await accepted.receive_some() == b""
        await accepted.aclose()
    assert dialled.socket.fileno() == -1


async def test_a_peer_that_never_closes_is_not_waited_for() -> None:
    dialled, accepted = await stream_pair()
    await part(dialled, 0.05, b"farewell")
    assert dialled.socket.fileno() == -1
    accepted.socket.close()


async def test_a_port_that_is_taken_is_an_error_of_the_settings() -> None:
    (listener,) = await listen_peers("127.0.0.1", 0)
    port = listener.socket.getsockname()[1]
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: "):
        await listen_peers("127.0.0.1", port)
    await listener.aclose()


async def test_a_host_that_does_not_resolve_is_an_error_of_the_settings() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.invalid:7700"):
        await listen_peers("nowhere.invalid", 7700)
