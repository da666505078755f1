"""Strangers and broken peers: each costs itself its connection, is counted, and harms no other."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

import pytest
import trio
from link_ends import End, RawPeer, big_part, hello_of

from gcounterd.links.limits import CONTROL_FRAME_BYTES_MAX, Limits
from gcounterd.node.messages import Ack, Channel, Refusal, Refused
from gcounterd.wire.codec import encode
from gcounterd.wire.frames import FRAME_BYTES_MAX, wrap
from gcounterd.wire.hellos import decode_hello, encode_hello, encode_refusal


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Let every call that needs a new file descriptor fail with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n", "http_on_peer_port"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "tls_on_peer_port"),
        (b"\x00\x00\x02\x01" + b"x" * 513, "hello_too_large"),
        (b"\x00\x00\x00\x00", "empty_frame"),
        (b"\xff" * 64, "hello_too_large"),
        (wrap(b"\xc1"), "not_msgpack"),
        (wrap(b"\x05"), "bad_shape"),
        (encode(Ack(1)), "no_hello"),
        (encode_refusal(Refusal(Refused.SELF, "")), "no_hello"),
    ],
)
async def test_what_is_no_hello_is_counted_and_the_connection_closed(
    nursery: trio.Nursery, data: bytes, reason: str
) -> None:
    end = await End(1).start(nursery)
    peer = await RawPeer.connect(end)
    await peer.send(data)
    assert await peer.is_closed()
    assert end.counts[reason] == 1
    assert not end.opened_links


async def test_a_stranger_that_closes_without_a_word_is_counted(nursery: trio.Nursery) -> None:
    end = await End(1).start(nursery)
    peer = await RawPeer.connect(end)
    await peer.send(encode_hello(hello_of(2))[:20])
    await peer.stream.aclose()
    await end.until(lambda: end.counts["no_hello"])


async def test_half_a_hello_is_not_waited_for_for_ever(nursery: trio.Nursery) -> None:
    end = await End(1, Limits(hello_seconds=0.1)).start(nursery)
    peer = await RawPeer.connect(end)
    await peer.send(encode_hello(hello_of(2))[:20])
    assert await peer.is_closed()
    assert end.counts["hello_timeout"] == 1
    assert not end.opened_links


async def test_a_refused_peer_reads_why(nursery: trio.Nursery) -> None:
    end = await End(1).start(nursery)
    refusal = Refusal(Refused.VERSION, "speak 1")
    end.judges = lambda _: refusal
    peer = await RawPeer.connect(end)
    # What it sends before it has an answer must not take the answer away from it.
    await peer.send(encode_hello(hello_of(2)) + encode(Ack(1)) * 1000)
    assert decode_hello(await peer.frame()) == refusal
    assert not end.messages


async def test_nothing_after_a_hello_is_parsed_before_it_is_accepted(nursery: trio.Nursery) -> None:
    end = await End(1).start(nursery)
    peer = await RawPeer.connect(end)
    part = encode(big_part(5))
    await peer.send(encode_hello(hello_of(2, Channel.BULK)) + part)
    await end.until(lambda: end.messages)
    assert encode(end.messages[0][1]) == part


@pytest.mark.parametrize(
    ("channel", "data", "reason"),
    [
        (Channel.BULK, (FRAME_BYTES_MAX + 1).to_bytes(4, "big"), "frame_too_large"),
        (Channel.CONTROL, (CONTROL_FRAME_BYTES_MAX + 1).to_bytes(4, "big"), "frame_too_large"),
        (Channel.BULK, b"\x00\x00\x00\x00", "empty_frame"),
        (Channel.BULK, wrap(b"\x92\x63\x01"), "unknown_type"),
        (Channel.CONTROL, wrap(b"\x93\x04\xc3\x90"), "bad_field"),
        (Channel.CONTROL, wrap(b"\x91" * 5000), "not_msgpack"),
        (Channel.CONTROL, encode_hello(hello_of(2)), "hello_again"),
        (Channel.CONTROL, encode_refusal(Refusal(Refused.TWIN, "x")), "refused_twin"),
    ],
)
async def test_a_peer_that_breaks_the_protocol_loses_that_link_only(
    nursery: trio.Nursery, channel: Channel, data: bytes, reason: str
) -> None:
    end, other = await End(1).start(nursery), await End(2).start(nursery)
    to_other, from_end = await end.link_to(other)
    peer, link = await RawPeer.accepted(end, 3, channel)
    await peer.send(encode(Ack(1)) + data + encode(Ack(2)))
    assert await peer.is_closed()
    await end.until(lambda: end.closed_links)
    assert end.closed_links == [(link, reason)]
    assert end.counts[reason] == 1
    assert end.heard(link) == [Ack(1)]
    end.transport.send([to_other], Ack(5))
    await other.until(lambda: other.messages)
    assert other.heard(from_end) == [Ack(5)]


async def test_a_reset_connection_is_reported(nursery: trio.Nursery) -> None:
    end = await End(1).start(nursery)
    peer, link = await RawPeer.accepted(end, 3, Channel.CONTROL)
    # Linger of zero: closing sends a reset.
    peer.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    await peer.stream.aclose()
    await end.until(lambda: end.closed_links)
    assert end.closed_links == [(link, "reset")]


async def test_ungreeted_connections_of_one_address_are_bounded(nursery: trio.Nursery) -> None:
    end = await End(1, Limits(greeting=3)).start(nursery)
    silent = [await RawPeer.connect(end) for _ in range(3)]
    excess = await RawPeer.connect(end)
    assert await excess.is_closed()
    assert end.counts["inbound_excess"] == 1
    # Greeted, one of them no longer counts.
    await silent[0].send(encode_hello(hello_of(2)))
    await silent[0].frame()
    await end.until(lambda: end.opened_links)
    await RawPeer.accepted(end, 3, Channel.CONTROL)


async def test_connections_that_peers_dialled_are_bounded(nursery: trio.Nursery) -> None:
    end = await End(1, Limits(inbound=2)).start(nursery)
    first, link = await RawPeer.accepted(end, 2, Channel.CONTROL)
    await RawPeer.accepted(end, 3, Channel.CONTROL)
    excess = await RawPeer.connect(end)
    assert await excess.is_closed()
    assert end.counts["inbound_excess"] == 1
    await first.stream.aclose()
    await end.until(lambda: link in dict(end.closed_links))
    await RawPeer.accepted(end, 4, Channel.CONTROL)


async def test_accepting_goes_on_after_descriptors_ran_out(nursery: trio.Nursery) -> None:
    end = await End(1).start(nursery)
    host, port = end.address.rsplit(":", 1)
    sock = trio.socket.socket()
    with no_descriptors():
        await sock.connect((host, int(port)))
        await end.until(lambda: end.counts["accept_failed"])
    peer = RawPeer(end, trio.SocketStream(sock))
    await peer.send(encode_hello(hello_of(2)))
    await peer.frame()
    await end.until(lambda: end.opened_links)
