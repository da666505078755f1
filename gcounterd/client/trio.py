"""The client for Trio: the same calls, carried out by tasks instead of threads.

    from gcounterd.client.trio import open_client

    async with open_client(["http://127.0.0.1:7781"]) as counters:
        counters.add("visits")
        print(await counters.get("visits"))

Theory. As `client`, without locks: whatever stands between two awaits happens at once. A call
that is cancelled closes its connection; whether it was counted is then unknown.

Import this module by name; nothing else of the client needs Trio. It refuses to know HTTP.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from gcounterd.client.calls import Call, LostError, NotSentError, Pause
from gcounterd.client.core import Core, Settings
from gcounterd.client.counting import Counted
from gcounterd.client.errors import CounterError, DefiniteError
from gcounterd.client.requests import Ack
from gcounterd.client.streams import Streams

T = TypeVar("T")


class TrioClient:
    """As `gcounterd.client.Client`, for the tasks of one Trio loop. Made by `open_client`."""

    def __init__(self, addresses: str | Iterable[str], settings: Settings) -> None:
        self._core = Core(addresses, settings, lambda: secrets.token_hex(16))
        self._streams = Streams(settings.token)
        self._due = trio.Event()
        self._done = trio.Event()
        self._sending = False
        self._closed = False

    async def count(self, key: str, amount: int = 1, *, ack: Ack | None = None) -> Counted:
        """Count now, exactly once, and return what came of it.

        Raises `DefiniteError` (not counted), `IndefiniteError` (it may have been), `ValueError`.
        """
        return await self.count_many({key: amount}, ack=ack)

    async def count_many(self, counts: Mapping[str, int], *, ack: Ack | None = None) -> Counted:
        """Count up to 10,000 keys at once, all or nothing. Raises as `count` does."""
        counted = await self._carry_out(self._core.counting(counts, ack, trio.current_time()))
        self._core.seen.take(counted.values)
        return counted

    async def get(self, key: str, *, consistent: bool = False, least: int = 0) -> int:
        """Return a value, never below what this client has seen of the key, nor below `least`.

        `consistent` asks every member first. Raises `ReadError`, `ValueError`.
        """
        call = self._core.reading(key, least, consistent=consistent, now=trio.current_time())
        value = await self._carry_out(call)
        self._core.seen.take({key: value})
        return value

    def add(self, key: str, amount: int = 1) -> None:
        """Gather an increment, to be sent with others; what comes of it, `flush` tells.

        Raises `DefiniteError` `full` or `closed`, `ValueError`; then nothing is gathered.
        """
        if self._closed:
            raise DefiniteError("closed", "the client is closed", counts={key: amount})
        self._core.gathering.add(key, amount, trio.current_time())
        self._due.set()

    async def flush(self) -> None:
        """Send what is gathered and wait until it is answered. Raises as `Client.flush` does."""
        gathering = self._core.gathering
        gathering.hurry(trio.current_time())
        self._due.set()
        goal = gathering.taken
        while gathering.cut_off < goal or self._sending:
            await self._done.wait()
        failure = gathering.take_failure()
        if failure is not None:
            raise failure

    async def send_batches(self) -> None:
        """Send batches as they become due, until cancelled. `open_client` runs it."""
        gathering = self._core.gathering
        while True:
            wait_s = gathering.wait(trio.current_time())
            if wait_s != 0:
                self._due = trio.Event()
                with trio.move_on_after(math.inf if wait_s is None else wait_s):
                    await self._due.wait()
                continue
            self._sending = True
            try:
                await self.count_many(gathering.cut(trio.current_time()))
            except CounterError as error:
                gathering.failed(error)
            finally:
                self._sending = False
                self._done.set()
                self._done = trio.Event()

    async def aclose(self) -> None:
        """Flush, then close all connections. Raises as `flush` does. `open_client` calls it."""
        self._closed = True
        try:
            await self.flush()
        finally:
            self._streams.close()

    async def _carry_out(self, call: Call[T]) -> T:
        """Do what a call says until it has its result."""
        while True:
            step = call.step(trio.current_time())
            if isinstance(step, Pause):
                await trio.sleep(step.seconds)
                continue
            try:
                answer = await self._streams.perform(step)
            except NotSentError as error:
                call.not_sent(error, trio.current_time())
            except LostError as error:
                call.lost(error, trio.current_time())
            else:
                result = call.answered(answer, trio.current_time())
                if result is not None:
                    return result


@asynccontextmanager
async def open_client(
    addresses: str | Iterable[str],
    *,
    timeout_s: float = 5.0,
    ack: Ack = "local",
    direct: bool = False,
    batch_size: int = 1000,
    batch_age_s: float = 0.05,
    token: str = "",
) -> AsyncIterator[TrioClient]:
    """Make a client; the settings are those of `Client`. At the end it sends what is gathered.

    Raises `ValueError` at once, and at the end what `flush` raises.
    """
    client = TrioClient(addresses, Settings(timeout_s, ack, direct, batch_size, batch_age_s, token))
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send_batches)
        try:
            try:
                yield client
            finally:
                await client.aclose()
        except Exception as error:
            failure = error  # raised below as it is, not wrapped in the nursery's group
        finally:
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
