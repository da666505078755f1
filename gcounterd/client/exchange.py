"""One request, one answer, over connections that are kept: blocking sockets and `http.client`.

Theory. What matters is whether a request can have reached the node. Connecting is done by itself,
so that failing at it is `NotSentError`; from the first byte on, everything but an answer is
`LostError`. A kept connection that the node closed meanwhile shows as readable before it is used,
and is thrown away then, so keeping connections makes hardly any request doubtful that was not.

Safe for several threads: a connection in use belongs to one of them. This module refuses to know
what requests mean.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
from dataclasses import dataclass, field

from gcounterd.client.answers import Answer
from gcounterd.client.calls import Attempt, LostError, NotSentError
from gcounterd.client.limits import ANSWER_BYTES_MAX, CONNECT_WAIT_S_MAX, IDLE_CONNECTIONS_MAX
from gcounterd.client.nodes import Address
from gcounterd.client.requests import credentials


@dataclass(slots=True)
class _Kept:
    """A connection, and who has answered on it last."""

    http: http.client.HTTPConnection
    node: str = ""

    def is_over(self) -> bool:
        """Say whether the other side has closed it, or sent what nobody asked for."""
        channel = self.http.sock
        if channel is None:
            return True
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        return bool(poll.poll(0))


@dataclass(slots=True)
class Exchange:
    """The connections of one client, and the token that it shows."""

    token: str = field(default="", repr=False)
    _idle: dict[Address, list[_Kept]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def perform(self, attempt: Attempt) -> Answer:
        """Send a request and return its answer, whatever it says.

        Raises `NotSentError` or `LostError`.
        """
        kept = self._take(attempt)
        answered = False
        try:
            answer, stays = _ask(kept, attempt, credentials(self.token))
            kept.node = answer.node
            answered = stays
            return answer
        except TimeoutError as error:
            message = f"{attempt.address} did not answer within {attempt.wait_s:.3g} s"
            raise LostError(message, code="timeout", node=kept.node) from error
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            message = f"the connection to {attempt.address} ended before the answer: {why}"
            raise LostError(message, node=kept.node) from error
        finally:
            if not answered or not self._keep(attempt.address, kept):
                kept.http.close()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        with self._lock:
            self._closed = True
            idle = [kept for all_kept in self._idle.values() for kept in all_kept]
            self._idle.clear()
        for kept in idle:
            kept.http.close()

    def _take(self, attempt: Attempt) -> _Kept:
        while True:
            with self._lock:
                idle = self._idle.get(attempt.address)
                kept = idle.pop() if idle and not attempt.fresh else None
            if kept is None:
                return _connect(attempt.address, attempt.wait_s)
            if not kept.is_over():
                return kept
            kept.http.close()

    def _keep(self, address: Address, kept: _Kept) -> bool:
        with self._lock:
            idle = self._idle.setdefault(address, [])
            if self._closed or len(idle) >= IDLE_CONNECTIONS_MAX:
                return False
            idle.append(kept)
            return True


def _connect(address: Address, wait_s: float) -> _Kept:
    try:
        channel = socket.create_connection(
            (address.host, address.port), min(wait_s, CONNECT_WAIT_S_MAX)
        )
    except (OSError, UnicodeError) as error:
        raise NotSentError(f"{address} cannot be reached: {error}") from error
    with contextlib.suppress(OSError):
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = http.client.HTTPConnection(address.host, address.port)
    # Never connect by itself: that would hide that an earlier attempt may have gone out.
    connection.auto_open = 0
    connection.sock = channel
    return _Kept(connection)


def _ask(kept: _Kept, attempt: Attempt, shown: dict[str, str]) -> tuple[Answer, bool]:
    """Return the answer, and whether the connection may be used again."""
    request = attempt.request
    kept.http.sock.settimeout(attempt.wait_s)
    headers = {**dict(request.headers), **shown}
    kept.http.request(request.method, request.target, request.body or None, headers)
    with kept.http.getresponse() as response:
        body = response.read(ANSWER_BYTES_MAX + 1)
        # Asked for a number of bytes, the standard library does not mind getting fewer.
        if response.length or len(body) > ANSWER_BYTES_MAX:
            raise http.client.IncompleteRead(body[:0], response.length)
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, body), not response.will_close
