"""A front answers as the node does, whatever is asked and however it is cut."""

from __future__ import annotations

import re

import pytest
import trio
from front_rig import FrontRig, fronted
from hypothesis import given, settings
from hypothesis import strategies as st

from gcounterd.errors import ClientError
from tests.unit.api.http_rig import running

HOST = b"Host: localhost\r\n"
# What depends on the moment: which increments shared a commit is up to the network.
MOMENT = re.compile(rb"Date: [^\r]*\r\n|(?<=\"value\":)\d+|(?<=Length: )2\d(?=\r)")
CLOSE = b"GET /v1/counters/end HTTP/1.1\r\n%bConnection: close\r\n\r\n" % HOST


def post(key: bytes, body: bytes = b"", headers: bytes = HOST) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"POST /v1/counters/%b HTTP/1.1\r\n%b%b\r\n%b" % (key, headers, length, body)


def get(target: bytes, headers: bytes = HOST) -> bytes:
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (target, headers)


REQUESTS = st.lists(
    st.sampled_from(
        [
            post(b"a"),
            post(b"b"),
            post(b"a", b'{"by": 7}'),
            post(b"a%2Fb"),
            post(b"a", headers=HOST + b"X-Other: 1\r\n"),
            post(b"k" * 1025),
            get(b"/v1/counters/a"),
            get(b"/v1/counters/b?by_node=true"),
            get(b"/v1/top"),
            get(b"/nowhere"),
            post(b"a", b"not json"),
            get(b"/v1/counters/a", HOST + b"Origin: http://localhost\r\n"),
            b"\r\n",
        ]
    ),
    max_size=6,
)


async def tell(port: int, data: bytes, cuts: list[int]) -> bytes:
    """Send bytes in pieces, and return all that is answered before the connection closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    told = b""
    async with stream:
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await stream.send_all(data[begin:end])
            await trio.lowlevel.checkpoint()
        while more := await stream.receive_some():
            told += more
    return MOMENT.sub(b"", told)


@pytest.mark.parametrize("end", [CLOSE, b"NONSENSE\r\n\r\n"])
@given(data=st.data(), requests=REQUESTS)
@settings(max_examples=25, deadline=None)
def test_the_answers_are_those_of_a_node_without_fronts(
    end: bytes, data: st.DataObject, requests: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    said = b"".join(requests) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=4)))
    folder = tmp_path_factory.mktemp("node")

    async def both() -> None:
        async with running(folder) as plain, fronted() as rig:
            expected = await tell(plain.port, said, cuts)
            assert await tell(rig.port, said, cuts) == expected
            assert rig.backend.values == plain.backend.values

    trio.run(both)


async def hit(rig: FrontRig, key: bytes = b"a") -> bytes:
    """Count once, by a connection that stays in the front."""
    async with await trio.open_tcp_stream("127.0.0.1", rig.port) as stream:
        await stream.send_all(post(key))
        return bytes(await stream.receive_some())


async def test_hot_requests_stay_in_the_front_and_others_go_to_the_owner() -> None:
    async with fronted() as rig:
        stream = await trio.open_tcp_stream("127.0.0.1", rig.port)
        async with stream:
            await stream.send_all(post(b"a") + get(b"/v1/counters/a"))
            told = b""
            while told.count(b'"value":1}') < 2:
                told += await stream.receive_some()
            assert (len(rig.hub), len(rig.house)) == (1, 0)
            await stream.send_all(get(b"/v1/top"))
            assert b'"counters"' in await stream.receive_some()
            assert (len(rig.hub), len(rig.house)) == (0, 1)


async def test_increments_of_many_clients_share_a_commit() -> None:
    async with fronted() as rig:
        rig.backend.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(hit, rig)
            await rig.backend.waiting.wait()
            rig.backend.gate.set()
        assert rig.backend.value(b"a") == 20
        assert rig.backend.commits < 20


async def test_a_failed_commit_is_told_as_the_owner_would_tell_it() -> None:
    async with fronted() as rig:
        rig.backend.fail_with = ClientError(507, "disk_full", "the disk is full")
        told = await hit(rig)
        assert b" 507 " in told
        assert b'"definite":true' in told
        assert rig.backend.value(b"a") == 0


async def test_an_owner_that_goes_away_leaves_what_was_under_way_unknown() -> None:
    async with fronted() as rig:
        rig.backend.gate = trio.Event()
        stream = await trio.open_tcp_stream("127.0.0.1", rig.port)
        async with stream:
            await stream.send_all(post(b"a"))
            await rig.backend.waiting.wait()
            rig.stream.socket.shutdown(trio.socket.SHUT_RDWR)
            told = await stream.receive_some()
        assert b" 503 " in told
        assert b'"definite":false' in told
        assert rig.front.stopping.is_set()


async def test_a_front_told_to_stop_answers_what_is_under_way() -> None:
    async with fronted() as rig:
        rig.backend.gate = trio.Event()
        stream = await trio.open_tcp_stream("127.0.0.1", rig.port)
        async with stream, trio.open_nursery() as nursery:
            await stream.send_all(post(b"a"))
            await rig.backend.waiting.wait()
            await rig.owner.stop()
            await rig.front.stopping.wait()
            nursery.start_soon(rig.hub.stop)
            rig.backend.gate.set()
            told = b""
            while more := await stream.receive_some():
                told += more
        assert b'{"key":"a","value":1}' in told


async def test_events_of_a_front_are_counted_by_the_owner() -> None:
    async with fronted() as rig:
        await hit(rig)
        await hit(rig)  # an event is told with a question, or a second later
        assert rig.backend.events["http_accepted"] >= 1


async def test_a_read_that_is_repeated_is_asked_of_the_owner_again() -> None:
    async with fronted() as rig, await trio.open_tcp_stream("127.0.0.1", rig.port) as stream:
        for value in (1, 2, 3):
            await hit(rig)
            await stream.send_all(get(b"/v1/counters/a"))
            assert b'{"key":"a","value":%d}' % value in await stream.receive_some()
        await stream.send_all(get(b"/v1/counters/nobody"))
        assert b'{"key":"nobody","value":0}' in await stream.receive_some()
        assert (len(rig.hub), len(rig.house)) == (1, 0)


async def test_many_who_leave_at_once_all_arrive_at_the_owner() -> None:
    async with fronted() as rig:
        told: list[bytes] = []

        async def leave() -> None:
            async with await trio.open_tcp_stream("127.0.0.1", rig.port) as stream:
                await stream.send_all(get(b"/v1/top"))
                told.append(bytes(await stream.receive_some()))

        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(leave)
        assert len(told) == 300
        assert all(b" 200 OK" in answer for answer in told)
