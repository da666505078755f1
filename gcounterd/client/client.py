"""The client for threads: a lock around what is decided, and a thread that sends what is gathered.

Theory. All decisions are in the calls and the `Core`; they are quick and are made under one lock.
Sending and waiting are done outside it, so a slow node holds up its own caller only.

This module refuses to know HTTP.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TypeVar

from gcounterd.client.calls import Call, LostError, NotSentError, Pause
from gcounterd.client.core import Core, Settings
from gcounterd.client.counting import Counted
from gcounterd.client.errors import CounterError, DefiniteError
from gcounterd.client.exchange import Exchange
from gcounterd.client.requests import Ack

T = TypeVar("T")


class Client:
    """Counts and reads at a cluster, at whichever of its addresses answers.

    addresses    one URL or several, `http://host:port`: of nodes, or of a balancer before them
    timeout_s    what one call may take, repeats included; at most 60
    ack          where an increment must be durable before it is answered, unless a call says so
    direct       each address is one node's own, for good, and nodes answer after their disk: then
                 an increment whose answer was lost is counted, once, when its node is back
    batch_size   so many gathered increments are sent at once, fewer
    batch_age_s  after at most so long
    token        shown with every request, to nodes that want one

    It may be used by several threads. As a context manager it sends what is gathered at the end.
    Raises `ValueError` for settings that make no sense; nothing is connected to yet.
    """

    def __init__(
        self,
        addresses: str | Iterable[str],
        *,
        timeout_s: float = 5.0,
        ack: Ack = "local",
        direct: bool = False,
        batch_size: int = 1000,
        batch_age_s: float = 0.05,
        token: str = "",
    ) -> None:
        settings = Settings(timeout_s, ack, direct, batch_size, batch_age_s, token)
        self._core = Core(addresses, settings, lambda: secrets.token_hex(16))
        self._exchange = Exchange(token)
        # Guards the core; tells whoever waits for a batch to be due or done.
        self._news = threading.Condition()
        self._sender: threading.Thread | None = None
        self._sending = False
        self._broken: Exception | None = None
        self._closed = False  # nothing more is gathered
        self._ended = False  # nothing more is sent

    def count(self, key: str, amount: int = 1, *, ack: Ack | None = None) -> Counted:
        """Count now, exactly once, and return what came of it.

        Raises `DefiniteError` (not counted), `IndefiniteError` (it may have been), `ValueError`.
        """
        return self.count_many({key: amount}, ack=ack)

    def count_many(self, counts: Mapping[str, int], *, ack: Ack | None = None) -> Counted:
        """Count up to 10,000 keys at once, all or nothing. Raises as `count` does."""
        counted = self._carry_out(self._core.counting(counts, ack, time.monotonic()))
        with self._news:
            self._core.seen.take(counted.values)
        return counted

    def get(self, key: str, *, consistent: bool = False, least: int = 0) -> int:
        """Return a value, never below what this client has seen of the key, nor below `least`.

        `consistent` asks every member first. Raises `ReadError`, `ValueError`.
        """
        with self._news:
            call = self._core.reading(key, least, consistent=consistent, now=time.monotonic())
        value = self._carry_out(call)
        with self._news:
            self._core.seen.take({key: value})
        return value

    def add(self, key: str, amount: int = 1) -> None:
        """Gather an increment, to be sent with others; what comes of it, `flush` tells.

        Raises `DefiniteError` `full` or `closed`, `ValueError`; then nothing is gathered.
        """
        with self._news:
            if self._closed:
                raise DefiniteError("closed", "the client is closed", counts={key: amount})
            self._core.gathering.add(key, amount, time.monotonic())
            if self._sender is None:
                self._sender = threading.Thread(
                    target=self._send_batches, name="gcounterd-client", daemon=True
                )
                self._sender.start()
            self._news.notify_all()

    def flush(self) -> None:
        """Send what is gathered and wait until it is answered.

        Raises `IndefiniteError` or `DefiniteError` if batches failed since the last flush, with
        what may have been counted (`counts`) and, beside that, what was not (`refused`).
        """
        gathering = self._core.gathering
        with self._news:
            gathering.hurry(time.monotonic())
            self._news.notify_all()
            goal = gathering.taken
            while self._broken is None and (gathering.cut_off < goal or self._sending):
                self._news.wait()
            if self._broken is not None:
                raise self._broken
            failure = gathering.take_failure()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Flush, then close all connections. Raises as `flush` does. Closing twice is closing."""
        with self._news:
            self._closed = True
        try:
            self.flush()
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()
            if self._sender is not None:
                self._sender.join()
            self._exchange.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _carry_out(self, call: Call[T]) -> T:
        """Do what a call says until it has its result."""
        while True:
            with self._news:
                step = call.step(time.monotonic())
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                continue
            try:
                answer = self._exchange.perform(step)
            except NotSentError as error:
                with self._news:
                    call.not_sent(error, time.monotonic())
            except LostError as error:
                with self._news:
                    call.lost(error, time.monotonic())
            else:
                with self._news:
                    result = call.answered(answer, time.monotonic())
                if result is not None:
                    return result

    def _send_batches(self) -> None:
        """Run in the sender's thread: send batches as they become due, until the client closes."""
        try:
            while batch := self._next_batch():
                try:
                    self.count_many(batch)
                except CounterError as error:
                    with self._news:
                        self._core.gathering.failed(error)
        except Exception as error:  # a mistake of ours: whoever flushes has to learn of it
            self._broken = error
        finally:
            with self._news:
                self._sending = False
                self._news.notify_all()

    def _next_batch(self) -> dict[str, int]:
        """Wait for a batch to be due and return it; an empty one says that the client closes."""
        gathering = self._core.gathering
        with self._news:
            self._sending = False
            self._news.notify_all()
            while (wait_s := gathering.wait(time.monotonic())) != 0:
                if self._ended:
                    return {}
                self._news.wait(wait_s)
            self._sending = True
            return gathering.cut(time.monotonic())
