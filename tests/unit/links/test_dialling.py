"""Dials that fail, graded; names and their addresses."""

from __future__ import annotations

import socket
from random import Random

import pytest
import trio
from link_ends import End, hello_of
from test_hostile_peers import no_descriptors

from gcounterd.links.dialling import Dialler, Target, connect, split_address
from gcounterd.links.greeting import Failure
from gcounterd.links.limits import Limits
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel
from gcounterd.wire.hellos import encode_hello


async def grade_of_dial(nursery: trio.Nursery, address: str, limits: Limits | None = None) -> Grade:
    end = await End(1, limits).start(nursery)
    end.transport.dial(address, Channel.CONTROL)
    await end.until(lambda: end.failed or end.opened_links)
    (failed,) = end.failed
    assert (failed.address, failed.channel, failed.refusal) == (address, Channel.CONTROL, None)
    return failed.grade


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def serve(nursery: trio.Nursery, answer: bytes | None, *, stay: bool = True) -> str:
    """Accept connections, send `answer`, then stay silent or close; return the address."""

    async def speak(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        if answer is not None:
            await stream.send_all(answer)
        if stay:
            await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, speak, listeners)
    return f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"


async def test_a_closed_port_is_refused(nursery: trio.Nursery) -> None:
    assert await grade_of_dial(nursery, f"127.0.0.1:{free_port()}") is Grade.REFUSED


async def test_a_peer_that_closes_without_a_word_is_refused(nursery: trio.Nursery) -> None:
    address = await serve(nursery, None, stay=False)
    assert await grade_of_dial(nursery, address) is Grade.REFUSED


async def test_a_peer_that_stays_silent_is_a_timeout(nursery: trio.Nursery) -> None:
    address = await serve(nursery, None)
    assert await grade_of_dial(nursery, address, Limits(dial_seconds=0.1)) is Grade.TIMEOUT


async def test_half_a_hello_is_a_timeout(nursery: trio.Nursery) -> None:
    address = await serve(nursery, encode_hello(hello_of(2))[:10])
    assert await grade_of_dial(nursery, address, Limits(dial_seconds=0.1)) is Grade.TIMEOUT


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", encode_hello(hello_of(2, Channel.BULK)), b"\0\0\0\0"],
)
async def test_what_does_not_answer_as_a_peer_is_a_protocol_error(
    nursery: trio.Nursery, answer: bytes
) -> None:
    assert await grade_of_dial(nursery, await serve(nursery, answer)) is Grade.PROTOCOL


@pytest.mark.parametrize(
    "address",
    ["nowhere.invalid:7700", "", "n1", "n1:", ":7700", "n1:0", "n1:65536", "::1:7700", "a\0b:1"],
)
async def test_what_does_not_resolve_is_graded_as_a_name(
    nursery: trio.Nursery, address: str
) -> None:
    assert await grade_of_dial(nursery, address) is Grade.NAME


async def test_a_lack_of_descriptors_is_our_own_trouble(nursery: trio.Nursery) -> None:
    end = await End(1).start(nursery)
    with no_descriptors():
        end.transport.dial(end.address, Channel.CONTROL)
        await end.until(lambda: end.failed)
    assert end.failed[0].grade is Grade.LOCAL


async def test_a_name_is_resolved_anew_at_each_dial(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, other = await End(1).start(nursery), await End(2).start(nursery)
    ports = iter([free_port(), int(other.address.rsplit(":")[1])])
    real = socket.getaddrinfo

    def resolve(host: str, port: int, **options: int) -> object:
        if host != "moving.example":
            return real(host, port, **options)
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        return real("127.0.0.1", next(ports), **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    end.transport.dial("moving.example:7700", Channel.CONTROL)
    await end.until(lambda: end.failed)
    assert end.failed[0].grade is Grade.REFUSED
    end.transport.dial("moving.example:7700", Channel.CONTROL)
    await end.until(lambda: end.opened_links)


async def test_a_name_finds_the_one_address_that_answers(nursery: trio.Nursery) -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    open_port = listener.socket.getsockname()[1]
    targets: list[Target] = [
        (socket.AF_INET, ("127.0.0.1", port)) for port in (free_port(), open_port, free_port())
    ]
    for _ in range(3):
        Random(7).shuffle(targets)
        found = await connect(targets, 2.0)
        assert not isinstance(found, Grade)
        assert found.getpeername()[1] == open_port
        found.close()
    await listener.aclose()


async def test_of_several_failures_the_one_that_says_most_is_reported() -> None:
    unroutable: Target = (socket.AF_INET, ("255.255.255.255", 1))
    refusing: Target = (socket.AF_INET, ("127.0.0.1", free_port()))
    assert await connect([unroutable], 2.0) is Grade.LOCAL
    assert await connect([unroutable, refusing], 2.0) is Grade.REFUSED


async def test_a_cancelled_dial_closes_its_connection(nursery: trio.Nursery) -> None:
    closed = trio.Event()

    async def watch(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass
        closed.set()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, watch, listeners)
    port = listeners[0].socket.getsockname()[1]
    end = End(1)
    dialler = Dialler(end, Limits(dial_seconds=0.1), Random(1))
    assert await dialler.dial(f"127.0.0.1:{port}", Channel.BULK) == Failure(Grade.TIMEOUT)
    with trio.fail_after(20):
        await closed.wait()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("n1.example:7700", ("n1.example", 7700)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("::1:7700", None),
        ("[]:7700", None),
        ("n1:+7", None),
        ("n1:\u0667", None),
        ("n1:000007", None),
    ],
)
def test_an_address_is_taken_apart(address: str, expected: tuple[str, int] | None) -> None:
    assert split_address(address) == expected
