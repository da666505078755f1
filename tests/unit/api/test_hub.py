"""The hub: who reads a connection when, and what one commit answers; with a toy protocol."""

from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from gcounterd.api.hub import Hub
from gcounterd.api.limits import RECEIVE_BYTES, Limits
from gcounterd.api.spoke import End, Holder, Outcome, Spoke, Taken
from gcounterd.errors import ClientError
from tests.unit.api.memory_backend import MemoryBackend

PATIENCE_S = 20
QUICK_S = 0.05


class Toy(Spoke):
    """Lines: `+key` counts, `?key` reads, `!` makes a mistake, anything else is for the task."""

    protocol = "toy"

    def __init__(self, sock: socket.socket, hub: Hub, backend: MemoryBackend) -> None:
        super().__init__(sock)
        self.hub, self.backend = hub, backend
        self.begun = b""
        self.asked: list[bytes] = []
        self.given = b""
        self.chunks: list[bytes] = []
        self.served: list[bytes] = []
        self.stays = True
        self.words = False
        self.released = 0

    def quick(self, data: bytes, keys: list[bytes]) -> Taken:
        self.chunks.append(data)
        *lines, self.begun = (self.begun + data).split(b"\n")
        if not lines:
            return Taken.NOTHING
        if any(line[:1] not in (b"+", b"?", b"!") for line in lines):
            self.given = b"\n".join(lines)
            return Taken.TASK
        counted = [line[1:] for line in lines if line[:1] == b"+"]
        keys += counted
        if b"!" in lines:
            raise ValueError("a mistake of ours")
        self.asked = lines
        return Taken.LATER if counted else Taken.NOW

    def answer(self, outcome: Outcome, first: int) -> bytes:
        answers = []
        for line in self.asked:
            if line[:1] == b"?":
                answers.append(b"%d" % self.backend.value(line[1:]))
                continue
            error = outcome.refused.get(first) or outcome.failure
            answers.append(b"%d" % outcome.values[first] if error is None else error.code.encode())
            first += 1
        return b"".join(answer + b"\n" for answer in answers)

    async def serve(self, rest: bytes) -> bool:
        self.served.append(rest or self.given)
        while rest:
            await trio.lowlevel.wait_writable(self.sock)
            rest = rest[self.sock.send(rest) :]
        if self.ended is not None or self.hub.stopping:
            self.sock.send(b"bye\n")
            return False
        if self.given:
            self.sock.send(b"task:" + self.given + b"\n")
            self.given = b""
        try:
            while data := self.sock.recv(RECEIVE_BYTES):
                self.sock.send(b"more:" + data)
        except BlockingIOError:
            return self.stays
        return False

    def has_last_word(self, why: End) -> bool:
        return self.words and why is End.EXPIRED

    def release(self) -> None:
        self.released += 1


class Client:
    """The other end of a toy connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.raw = sock
        self.sock = trio.socket.from_stdlib_socket(sock)
        self.rest = b""

    async def ask(self, data: bytes) -> bytes:
        """Send, and return the next line."""
        await self.sock.send(data)
        return await self.line()

    async def line(self) -> bytes:
        while b"\n" not in self.rest:
            data = await self.sock.recv(65_536)
            if not data:
                raise EOFError
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line

    async def is_closed(self) -> bool:
        return not self.rest and await self.sock.recv(1) == b""


class Rig:
    """A running hub."""

    tells = False

    def __init__(self, limits: Limits | None = None) -> None:
        self.backend = MemoryBackend()
        self.hub = Hub(self.backend, limits or Limits())
        self.clients: list[Client] = []

    def pair(self) -> tuple[socket.socket, Client]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.clients.append(Client(theirs))
        return ours, self.clients[-1]

    def connect(self, unread: bytes = b"") -> tuple[Toy, Client]:
        ours, client = self.pair()
        spoke = Toy(ours, self.hub, self.backend)
        self.hub.enter(spoke, unread)
        return spoke, client


@pytest.fixture(params=[False, True], ids=["awaited", "told"], autouse=True)
def tells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs with commits that are waited for, and with some that tell."""
    monkeypatch.setattr(Rig, "tells", request.param)


@asynccontextmanager
async def running(limits: Limits | None = None) -> AsyncIterator[Rig]:
    rig = Rig(limits)
    try:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                rig.backend.tells = nursery if Rig.tells else None
                await nursery.start(rig.hub.run)
                yield rig
                nursery.cancel_scope.cancel()
    finally:
        for client in rig.clients:
            client.sock.close()


async def test_chunks_of_one_look_share_one_commit_over_all_connections() -> None:
    async with running() as rig:
        clients = [rig.connect()[1] for _ in range(5)]
        for client in clients:
            client.raw.send(b"+a\n+b\n?a\n")
        for client in clients:
            assert [await client.line() for _ in range(3)] == [b"5", b"5", b"5"]
        assert rig.backend.commits == 1


async def test_the_next_round_is_read_while_a_commit_is_under_way() -> None:
    async with running() as rig:
        rig.backend.gate = trio.Event()
        (one, first), (two, second) = rig.connect(), rig.connect()
        await first.sock.send(b"+a\n")
        await trio.testing.wait_all_tasks_blocked()
        await second.sock.send(b"+a\n")
        await trio.testing.wait_all_tasks_blocked()
        assert (one.holder, two.holder) == (Holder.ROUND, Holder.ROUND)
        rig.backend.gate.set()
        await first.line()
        assert await second.line() == b"2"
        assert one.holder is two.holder is Holder.HUB


async def test_reads_do_not_wait_for_a_commit() -> None:
    async with running() as rig:
        rig.backend.gate = trio.Event()
        (_, counting), (_, reading) = rig.connect(), rig.connect()
        await counting.sock.send(b"+a\n")
        await trio.testing.wait_all_tasks_blocked()
        assert await reading.ask(b"?a\n") == b"0"
        assert rig.backend.commits == 1


async def test_a_connection_with_an_unanswered_round_is_not_read() -> None:
    async with running() as rig:
        rig.backend.gate = trio.Event()
        spoke, client = rig.connect()
        await client.sock.send(b"+a\n")
        await trio.testing.wait_all_tasks_blocked()
        await client.sock.send(b"+b\n")
        await trio.testing.wait_all_tasks_blocked()
        assert spoke.chunks == [b"+a\n"]
        rig.backend.gate.set()
        assert await client.line() == b"1"
        assert await client.line() == b"1"
        assert spoke.chunks == [b"+a\n", b"+b\n"]


async def test_a_refused_increment_and_a_failed_commit_are_told_in_their_places() -> None:
    async with running() as rig:
        rig.backend.values[b"full"] = 2**53
        (_, one), (_, two) = rig.connect(), rig.connect()
        one.raw.send(b"+a\n+full\n+a\n")
        two.raw.send(b"+full\n")
        assert [await one.line() for _ in range(3)] == [b"2", b"too_large", b"2"]
        assert await two.line() == b"too_large"
        rig.backend.fail_with = ClientError(507, "disk_full", "no room")
        assert await one.ask(b"+a\n?a\n") == b"disk_full"
        assert await one.line() == b"2"


async def test_what_plain_code_cannot_answer_gets_a_task_and_comes_back() -> None:
    async with running() as rig:
        spoke, client = rig.connect()
        assert await client.ask(b"sing\n") == b"task:sing"
        await trio.testing.wait_all_tasks_blocked()
        assert spoke.holder is Holder.HUB
        assert await client.ask(b"+a\n") == b"1"
        assert spoke.served == [b"sing"]


async def test_half_a_request_is_waited_for() -> None:
    async with running() as rig:
        spoke, client = rig.connect()
        await client.sock.send(b"+")
        await trio.testing.wait_all_tasks_blocked()
        assert spoke.holder is Holder.HUB
        assert await client.ask(b"a\n") == b"1"


async def test_a_chunk_as_large_as_can_be_is_followed_by_another_look() -> None:
    async with running() as rig:
        _, client = rig.connect()
        lines = b"+%b\n" % (b"k" * 30) * 1024
        assert len(lines) == 2 * RECEIVE_BYTES
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.sock.send, lines)
            values = [int(await client.line()) for _ in range(1024)]
        assert values == [512] * 512 + [1024] * 512


async def test_a_client_that_only_stops_sending_gets_its_answers_and_is_closed() -> None:
    async with running() as rig:
        spoke, client = rig.connect()
        rig.backend.gate = trio.Event()
        await client.sock.send(b"+a\n")
        await trio.testing.wait_all_tasks_blocked()
        client.sock.shutdown(socket.SHUT_WR)
        await trio.testing.wait_all_tasks_blocked()
        rig.backend.gate.set()
        assert await client.line() == b"1"
        assert await client.is_closed()
        assert (len(rig.hub), spoke.released) == (0, 1)


async def test_an_answer_that_does_not_fit_is_left_to_a_task_and_nothing_is_read_meanwhile() -> (
    None
):
    async with running() as rig:
        spoke, client = rig.connect()
        spoke.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        rig.backend.values[b"a"] = 2**50
        await client.sock.send(b"?a\n" * 3000)
        await trio.testing.wait_all_tasks_blocked()
        assert spoke.holder is Holder.TASK
        for _ in range(3000):
            assert await client.line() == b"%d" % 2**50
        await trio.testing.wait_all_tasks_blocked()
        assert spoke.holder is Holder.HUB
        assert await client.ask(b"?a\n") == b"%d" % 2**50


async def test_a_mistake_of_ours_ends_its_connection_and_counts_nothing() -> None:
    async with running() as rig:
        (_, bad), (_, good) = rig.connect(), rig.connect()
        bad.raw.send(b"+a\n!\n")
        good.raw.send(b"+b\n")
        assert await bad.is_closed()
        assert await good.line() == b"1"
        assert rig.backend.values == {b"b": 1}
        assert rig.backend.events["toy_internal"] == 1


async def test_bytes_that_were_received_elsewhere_come_first() -> None:
    async with running() as rig:
        ours, client = rig.pair()
        await client.sock.send(b"\n+b\n")
        spoke = Toy(ours, rig.hub, rig.backend)
        rig.hub.enter(spoke, b"+a")
        # Half a request, and more may be there: its task looks.
        assert await client.line() == b"more:"
        _, other = rig.connect(b"+c\n")
        assert await other.line() == b"1"
        assert await other.ask(b"+c\n") == b"2"


async def test_a_connection_past_its_time_is_ended_or_has_the_last_word() -> None:
    async with running(Limits(idle_s=QUICK_S)) as rig:
        (silent, one), (speaking, two), (patient, three) = [rig.connect() for _ in range(3)]
        silent.deadline = speaking.deadline = rig.hub.from_now(0)
        speaking.words = True
        assert await one.is_closed()
        assert await two.line() == b"bye"
        assert await two.is_closed()
        assert await three.ask(b"?a\n") == b"0"
        assert rig.backend.events["toy_expired"] == 2
        assert patient.released == 0


async def test_the_idle_one_that_was_answered_longest_ago_is_evicted() -> None:
    async with running() as rig:
        rig.backend.gate = trio.Event()
        (_, busy), (_, old), (_, new) = [rig.connect() for _ in range(3)]
        await busy.sock.send(b"+a\n")
        await new.ask(b"?a\n")
        await old.ask(b"?a\n")
        assert rig.hub.evict()
        assert await new.is_closed()
        assert rig.hub.evict()
        assert await old.is_closed()
        assert not rig.hub.evict()  # the busy one has not been answered yet
        rig.backend.gate.set()
        assert await busy.line() == b"1"


async def test_stopping_ends_the_idle_and_waits_for_the_busy() -> None:
    async with running() as rig:
        rig.backend.gate = trio.Event()
        (_, busy), (_, idle) = rig.connect(), rig.connect()
        await busy.sock.send(b"+a\n")
        await idle.ask(b"?a\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.hub.stop)
            assert await idle.is_closed()
            await trio.testing.wait_all_tasks_blocked()
            assert len(rig.hub) == 1
            rig.backend.gate.set()
            assert await busy.line() == b"1"
            assert await busy.line() == b"bye"
        assert len(rig.hub) == 0


async def test_whoever_never_pauses_does_not_keep_others_from_running() -> None:
    async with running() as rig:
        spoke, client = rig.connect()
        turns: list[int] = []

        async def watch() -> None:
            while True:
                turns.append(len(spoke.chunks))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            nursery.start_soon(client.sock.send, b"?a\n" * 60_000)
            for _ in range(60_000):
                await client.line()
            nursery.cancel_scope.cancel()
        # Never more than a few chunks were read between two looks.
        assert max(b - a for a, b in itertools.pairwise(turns)) <= 2


@pytest.mark.parametrize("data", [b"", b"+a\n", b"+", b"sing\n"])
async def test_cancelling_closes_everything(data: bytes) -> None:
    async with running() as rig:
        rig.backend.gate = trio.Event()
        spoke, client = rig.connect()
        if data:
            await client.sock.send(data)
        await trio.testing.wait_all_tasks_blocked()
    assert spoke.sock.fileno() < 0
    assert spoke.released == 1
