"""The thread that owns the connection, and the way from Trio to it and back.

Theory. SQLite blocks, so it has a thread; it has exactly one, so there is one order of commits
and no lock. A hand-over through `to_thread` costs some 60 µs per call, most of it for a thread
that would not stay the same one. Here a call puts a ticket into a queue and parks; the thread
answers through the loop's entry queue. Long work (a copy) runs as one ticket that lets others
pass between its steps.

Limits: at most `TICKETS_MAX` calls are under way; further callers wait in Trio, in order, with
their data in their own hands. This module refuses to know what the work is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

from gcounterd.errors import StorageError

T = TypeVar("T")

# Callers are few (a flusher, checkpoints, a copy); this only keeps a mistake from piling up work.
TICKETS_MAX = 64
# A copy lets at most so many pass between two of its steps, or a busy store would never end it.
PASSING_MAX = 16
# After this long without work the thread tidies. Longer than a flush interval, so that a steady
# trickle of commits is not interrupted by it more often than the size of the log asks for.
REST_SECONDS = 0.05


class Ticket(Generic[T]):
    """One piece of work on its way to the thread and back."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._task: trio.lowlevel.Task | None = None
        self._is_done = False

    def perform(self) -> None:
        """Do the work, in the thread; keep what comes of it."""
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error = error

    def done(self) -> None:
        """Wake who waits for it, in the loop."""
        self._is_done = True
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    async def wait(self, give_up: Callable[[], None] | None) -> None:
        """Wait until it is done; cancelling changes nothing but that `give_up` is called.

        Less than an event in a shielded scope, which each commit would pay for.
        """
        if self._is_done:
            return

        def stay(_: object) -> trio.lowlevel.Abort:
            if give_up is not None:
                give_up()
            return trio.lowlevel.Abort.FAILED

        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(stay)

    def result(self) -> T:
        """Return what the work returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]


class StoreThread:
    """Runs work in order, `after` following each piece, `rest` when none has come for a while."""

    def __init__(self, *, after: Callable[[], None], rest: Callable[[], None]) -> None:
        self._after = after
        self._rest = rest
        self._tickets: queue.SimpleQueue[Ticket[object] | None] = queue.SimpleQueue()
        self._places = trio.Semaphore(TICKETS_MAX, max_value=TICKETS_MAX)
        self._token: trio.lowlevel.TrioToken | None = None
        self._ended = trio.Event()
        self._last: Ticket[None] | None = None
        self.stopping = False

    def start(self) -> None:
        """Start the thread; answers go to the Trio loop that calls this."""
        self._token = trio.lowlevel.current_trio_token()
        threading.Thread(target=self._serve, name="gcounterd-store", daemon=True).start()

    async def stop(self, last: Callable[[], None]) -> None:
        """Finish what was handed over, refuse the rest, do `last`, end the thread.

        Raises what `last` raises.
        """
        self._last = Ticket(last)
        self.stopping = True
        self._tickets.put(None)
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        self._last.result()

    async def do(self, work: Callable[[], T], *, give_up: Callable[[], None] | None = None) -> T:
        """Have the thread do `work` and return its result or raise its error.

        Once handed over it is waited for even if the caller is cancelled, so the outcome is never
        unknown. Long work brings `give_up`, called on cancellation, which must make it end soon.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._places.acquire_nowait()  # where there is room nobody waits, not even a turn
        except trio.WouldBlock:
            await self._places.acquire()
        try:
            return await self._do(work, give_up)
        finally:
            self._places.release()

    async def _do(self, work: Callable[[], T], give_up: Callable[[], None] | None) -> T:
        if self._token is None or self.stopping:
            raise StorageError("the store is not open", definite=True)
        ticket = Ticket(work)
        self._tickets.put(ticket)  # type: ignore[arg-type]  # the queue does not read results
        await ticket.wait(give_up)
        if give_up is not None:
            await trio.lowlevel.checkpoint_if_cancelled()
        return ticket.result()

    def let_pass(self) -> None:
        """Do some of the work that waits, in the midst of a long piece of it (in the thread)."""
        for _ in range(PASSING_MAX):
            try:
                ticket = self._tickets.get_nowait()
            except queue.Empty:
                return
            if ticket is None:
                self._tickets.put(None)  # for `_serve`; nothing comes after it
                return
            self._perform(ticket)

    def _serve(self) -> None:
        busy = True
        while True:
            try:
                ticket = self._tickets.get(timeout=REST_SECONDS if busy else None)
            except queue.Empty:
                self._rest()
                busy = False
                continue
            if ticket is None:
                break
            busy = True
            self._perform(ticket)
        assert self._last is not None
        self._last.perform()
        self._say(self._ended.set)

    def _perform(self, ticket: Ticket[object]) -> None:
        ticket.perform()
        self._say(ticket.done)
        self._after()

    def _say(self, word: Callable[[], None]) -> None:
        assert self._token is not None
        try:
            self._token.run_sync_soon(word)
        except trio.RunFinishedError:
            return  # nobody is left to hear it
