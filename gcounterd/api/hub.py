"""The hub: every client connection at rest, read by one task, and counted in rounds.

Theory. Waking a task costs more than answering a request, and asking the kernel about a socket
costs as much again. So a connection at rest is no task. One epoll knows all sockets, each is
entered once and reports once when something has come (edge-triggered), and one task reads what is
ready. What a chunk asks for is found out by plain code (`Spoke.quick`), which gathers and never
waits. All chunks of one look at the epoll are a *round*: their increments are added in one call
and answered after the commit that takes them, in the step that commits where that is here, since
a task that wakes is dear; what is too much for one step is left to a task. While that commit is on
its way to the disk the next round is read. Whatever plain code cannot answer gets a task of its own
for as long as it takes, and the socket with it.

    HUB ──quick: LATER──► ROUND ──committed, answered──► HUB
     └──quick: TASK, or a send that would block──► TASK ──read to the last byte──► HUB

A connection in a round or with a task is not read by the hub, so what it can make us hold is one
chunk and one answer. Nobody sets timers: a connection says until when it may wait, and one look
at all of them each second ends those past it. When the house is full the one that has been
without an answer longest is ended.

This module refuses to know protocols, and where counts are kept.
"""

from __future__ import annotations

import math
import select
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import attrs
import trio

from gcounterd.api.backend import Gathering, Near, Tally
from gcounterd.api.limits import CHUNK_WORK, RECEIVE_BYTES, WORK_BEFORE_YIELD, Limits
from gcounterd.api.responses import blame
from gcounterd.api.spoke import NO_OUTCOME, End, Holder, Outcome, Spoke, Taken
from gcounterd.errors import ClientError
from gcounterd.node.levels import Mark

_NEWS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_LAST = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
# Looking a member of an enumeration up by its class takes longer than all else of a step here.
_HUB, _ROUND, _TASK = Holder
_NOTHING, _LATER, _NOW, _FOR_TASK = Taken
# Sockets of one look: others come with the next, and the kernel turns them in order.
READY_MAX = 256
# What counts as one request of work: of bytes taken; of increments gathered with those of others;
# of bytes answered.
_BYTES_PER_WORK = 64
_KEYS_PER_WORK = 4
_ANSWER_BYTES_PER_WORK = 256


@attrs.define(eq=False)
class _Round:
    """What one look at the epoll gathered.

    spokes   with the place of their first key
    told     how many of them have been answered
    prompt   its commit tells us, so nobody has to wait for it
    outcome  None until it is known
    """

    keys: list[bytes] = attrs.field(factory=list)
    spokes: list[tuple[Spoke, int]] = attrs.field(factory=list)
    told: int = 0
    tally: Tally | None = None
    commit: Gathering | None = None
    prompt: bool = False
    outcome: Outcome | None = None


class Hub:
    """All connections, in the order of their last answers.

    now       the clock at the last tick, in Trio's seconds; up to `limits.tick_s` old
    session_until  how long a session that is answered now may be silent
    stopping  nothing further is taken on: who was answered is handed to its task to close
    """

    def __init__(
        self, backend: Near, limits: Limits, ticks: Sequence[Callable[[], None]] = ()
    ) -> None:
        """`ticks` are called at each tick."""
        self._backend = backend
        self.limits = limits
        self.now = trio.current_time()
        self.session_until = self.from_now(limits.session_s)
        self.stopping = False
        self._ticks = tuple(dict.fromkeys(ticks))
        self._spokes: OrderedDict[int, Spoke] = OrderedDict()
        self._epoll = select.epoll()
        self._round = _Round()
        self._rounds: deque[_Round] = deque()
        self._due = trio.Event()
        self._left = trio.Event()
        self._hosted = 0
        self._hall: trio.Nursery | None = None
        self._read_work = self._answer_work = 0  # since others ran, in requests
        self._told_of: Gathering | None = None  # whose answers are written in this step

    def __len__(self) -> int:
        return len(self._spokes)

    def from_now(self, seconds: float) -> float:
        """Return a deadline: the clock is up to a tick old, and nobody is given less time."""
        return self.now + seconds + self.limits.tick_s

    # -- connections --------------------------------------------------------------------------

    def enter(self, spoke: Spoke, unread: bytes = b"") -> None:
        """Take a connection on; its socket does not block. `unread` was received elsewhere."""
        self._spokes[spoke.fd] = spoke
        self._epoll.register(spoke.fd, _NEWS)
        if unread:
            spoke.readable = True  # whatever was reported before is asked for again
            self._take(spoke, unread)
            self._close_round()

    def drop(self, spoke: Spoke) -> None:
        """Close a connection that no task has."""
        if self._spokes.get(spoke.fd) is spoke:
            del self._spokes[spoke.fd]
        spoke.release()
        spoke.sock.close()  # which takes it out of the epoll
        if not self._spokes:
            self._left.set()

    def end(self, spoke: Spoke, why: End) -> None:
        """Make a connection close that waits for its client."""
        self._backend.count(f"{spoke.protocol}_{why.value}")
        spoke.deadline = math.inf
        if spoke.holder is not Holder.HUB:
            spoke.parked = False
            spoke.ended = why
            trio.lowlevel.notify_closing(spoke.sock)
        elif spoke.has_last_word(why):
            spoke.ended = why
            self._hand_over(spoke)
        else:
            self.drop(spoke)

    def evict(self) -> bool:
        """End the idle connection longest without an answer; False if none is idle."""
        for spoke in self._spokes.values():
            if spoke.holder is Holder.HUB or spoke.parked:
                self.end(spoke, End.EVICTED)
                return True
        return False

    def host(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        """Have a task for something that belongs to a connection; it ends when that has ended."""
        assert self._hall is not None
        self._hosted += 1
        self._hall.start_soon(self._host, task, args)

    async def _host(self, task: Callable[..., Awaitable[None]], args: tuple[object, ...]) -> None:
        try:
            await task(*args)
        finally:
            self._hosted -= 1
            self._left.set()

    async def stop(self) -> None:
        """End what is idle, and wait until the rest has its answers and is gone."""
        self.stopping = True
        for spoke in [s for s in self._spokes.values() if s.holder is Holder.HUB or s.parked]:
            self.end(spoke, End.STOPPED)
        while self._spokes or self._hosted:
            self._left = trio.Event()
            await self._left.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; all connections are closed then."""
        try:
            async with trio.open_nursery() as self._hall:
                self._hall.start_soon(self._read_ready)
                self._hall.start_soon(self._answer_rounds)
                self._hall.start_soon(self._tick)
                task_status.started()
        finally:
            self._hall = None
            for spoke in list(self._spokes.values()):
                self.drop(spoke)
            self._epoll.close()

    async def _tick(self) -> None:
        while True:
            await trio.sleep(self.limits.tick_s)
            self.now = trio.current_time()
            self.session_until = self.from_now(self.limits.session_s)
            for act in self._ticks:
                act()
            late = [s for s in self._spokes.values() if s.deadline < self.now]
            for spoke in late:
                if spoke.holder is not Holder.ROUND:
                    self.end(spoke, End.EXPIRED)

    # -- reading ------------------------------------------------------------------------------

    async def _read_ready(self) -> None:
        while True:
            ready = self._epoll.poll(0, READY_MAX)
            if ready:
                await self._read_each(ready)
            else:
                self._read_work = 0
                await trio.lowlevel.wait_readable(self._epoll.fileno())

    async def _read_each(self, ready: Sequence[tuple[int, int]]) -> None:
        for fd, news in ready:
            spoke = self._spokes.get(fd)
            if spoke is None:
                continue
            if news & _LAST:
                spoke.last = True
            if spoke.holder is not _HUB:
                spoke.readable = True
                continue
            self._read_work += self._read(spoke)
            if self._read_work > WORK_BEFORE_YIELD:
                self._read_work = 0
                self._close_round()
                await trio.lowlevel.checkpoint()
        self._close_round()

    def _read(self, spoke: Spoke) -> int:
        """Take what has come in; return the work that was, in requests."""
        spoke.readable = False
        try:
            data = spoke.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return 1
        except OSError:
            data = b""
        if not data:
            self.drop(spoke)
            return CHUNK_WORK
        if spoke.last or len(data) == RECEIVE_BYTES:
            spoke.readable = True
        return self._take(spoke, data)

    def _take(self, spoke: Spoke, data: bytes) -> int:
        keys = self._round.keys
        first = len(keys)
        try:
            taken = spoke.quick(data, keys)
        except Exception as error:
            del keys[first:]
            self._blame(spoke, error)
            self.drop(spoke)
            return CHUNK_WORK
        if taken is _LATER or (taken is _NOW and spoke.readable):
            spoke.holder = _ROUND
            self._round.spokes.append((spoke, first))
        elif taken is _NOW:
            self._send(spoke, NO_OUTCOME, first)
        elif taken is _FOR_TASK or spoke.readable:
            self._hand_over(spoke)
        gathered = len(keys) - first
        return 1 + (gathered // _KEYS_PER_WORK if gathered else len(data) // _BYTES_PER_WORK)

    def _close_round(self) -> None:
        """Add what was gathered, before anybody else runs: it is part of one commit."""
        gathered = self._round
        if gathered.spokes:
            self._round = _Round()
            if gathered.keys:
                gathered.tally = self._backend.add_each(gathered.keys)
            gathered.commit = self._backend.gathering()
            self._rounds.append(gathered)
            gathered.prompt = gathered.commit.then(partial(self._know, gathered))
            if not gathered.prompt:
                self._due.set()

    # -- answering ----------------------------------------------------------------------------

    def _know(self, gathered: _Round, mark: Mark, failure: ClientError | None) -> None:
        """Answer a round in the step in which its commit has come through, or failed."""
        if self._hall is None or self._hall.cancel_scope.cancel_called:
            return
        if self._told_of is not gathered.commit:
            self._told_of, self._answer_work = gathered.commit, 0
        gathered.outcome = self._learn(gathered, mark, failure)
        if gathered is self._rounds[0] and self._tell(gathered, gathered.outcome):
            self._rounds.popleft()
        else:
            self._due.set()

    async def _answer_rounds(self) -> None:
        while True:
            await self._due.wait()
            self._due = trio.Event()
            while self._rounds:
                answered = self._rounds[0]
                if answered.outcome is None:
                    if answered.prompt:
                        break
                    answered.outcome = await self._await(answered)
                if self._tell(answered, answered.outcome):
                    self._rounds.popleft()
                else:
                    await trio.lowlevel.checkpoint()

    def _tell(self, answered: _Round, outcome: Outcome) -> bool:
        """Write answers; False if this was all that one step may do, and others have to run."""
        has_room = True
        for spoke, first in answered.spokes[answered.told :]:
            answered.told += 1
            self._answer_work += self._send(spoke, outcome, first)
            if self._answer_work > WORK_BEFORE_YIELD:
                self._answer_work = 0
                has_room = False
                break
        self._close_round()
        return has_room

    async def _await(self, answered: _Round) -> Outcome:
        assert answered.commit is not None
        try:
            return self._learn(answered, await answered.commit.wait(), None)
        except Exception as error:
            return self._learn(answered, (), blame(error))

    def _learn(self, answered: _Round, mark: Mark, failure: ClientError | None) -> Outcome:
        tally = answered.tally
        if tally is None:
            return Outcome(failure=failure, mark=mark)
        return Outcome(tally.keys, self._backend.read_each(tally), tally.refused, failure, mark)

    def _send(self, spoke: Spoke, outcome: Outcome, first: int) -> int:
        """Answer; what does not fit is left to a task. Return the work that was."""
        try:
            data = spoke.answer(outcome, first)
            sent = spoke.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.drop(spoke)
            return 1
        except Exception as error:
            self._blame(spoke, error)
            self.drop(spoke)
            return 1
        self._spokes.move_to_end(spoke.fd)
        if sent < len(data):
            self._hand_over(spoke, data[sent:])
        elif self.stopping or spoke.unfinished:
            self._hand_over(spoke)
        else:
            spoke.holder = _HUB
            if spoke.readable:
                return 1 + self._read(spoke)
        return 1 + sent // _ANSWER_BYTES_PER_WORK

    # -- tasks --------------------------------------------------------------------------------

    def _hand_over(self, spoke: Spoke, rest: bytes = b"") -> None:
        assert self._hall is not None
        spoke.holder = _TASK
        self._hall.start_soon(self._serve, spoke, rest)

    async def _serve(self, spoke: Spoke, rest: bytes) -> None:
        stays = False
        try:
            stays = await spoke.serve(rest)
        except (OSError, trio.ClosedResourceError):
            pass  # the client went away, or took too long to read
        except Exception as error:
            self._blame(spoke, error)
        finally:
            if stays and not self.stopping:
                spoke.readable = False
                spoke.holder = Holder.HUB
            else:
                self.drop(spoke)

    def answered(self, spoke: Spoke) -> None:
        """Note that a task answers; the connection is the last to be evicted."""
        self._spokes.move_to_end(spoke.fd)

    def _blame(self, spoke: Spoke, error: Exception) -> None:
        # A mistake of ours that one client can cause must not end the service of the others.
        self._backend.count(f"{spoke.protocol}_{blame(error).code}")
