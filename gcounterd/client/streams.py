"""One request, one answer, over connections that are kept: Trio's streams and httptools.

Theory. As `exchange`: failing to connect is `NotSentError`, everything after it but an answer is
`LostError`, and a kept connection that became readable by itself is thrown away before it is used.

This module refuses to know what requests mean.
"""

from __future__ import annotations

from dataclasses import replace

import httptools
import trio

from gcounterd.client.answers import Answer
from gcounterd.client.calls import Attempt, LostError, NotSentError
from gcounterd.client.limits import ANSWER_BYTES_MAX, CONNECT_WAIT_S_MAX, IDLE_CONNECTIONS_MAX
from gcounterd.client.nodes import Address
from gcounterd.client.requests import Request, credentials

_CHUNK_BYTES = 64 * 1024


class _Reader:
    """Gathers one answer from httptools' callbacks."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.done = False
        self.stays = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        self.done = True
        # Only here does the parser know: it forgets the message when it has told of its end.
        self.stays = self.parser.should_keep_alive()


class _Kept:
    """A connection, and who has answered on it last."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.node = ""

    async def ask(self, request: Request, address: Address) -> tuple[Answer, bool]:
        """Return the answer, and whether the connection may be used again."""
        await self.stream.send_all(_write(request, address))
        reader = _Reader()
        while not reader.done:
            chunk = await self.stream.receive_some(_CHUNK_BYTES)
            if not chunk or len(reader.body) > ANSWER_BYTES_MAX:
                raise trio.BrokenResourceError("it was closed, or the answer is too long")
            reader.parser.feed_data(bytes(chunk))
        status = reader.parser.get_status_code()
        return Answer(status, reader.headers, bytes(reader.body)), reader.stays

    def drop(self) -> None:
        """Close it at once."""
        self.stream.socket.close()


class Streams:
    """The connections of one client."""

    def __init__(self, token: str = "") -> None:
        """`token` is shown with every request."""
        self._shown = tuple(credentials(token).items())
        self._idle: dict[Address, list[_Kept]] = {}
        self._closed = False

    async def perform(self, attempt: Attempt) -> Answer:
        """Send a request and return its answer, whatever it says.

        Raises `NotSentError` or `LostError`.
        """
        request = replace(attempt.request, headers=(*attempt.request.headers, *self._shown))
        kept = await self._take(attempt)
        stays = False
        try:
            with trio.fail_after(attempt.wait_s):
                answer, stays = await kept.ask(request, attempt.address)
            kept.node = answer.node
            return answer
        except trio.TooSlowError as error:
            message = f"{attempt.address} did not answer within {attempt.wait_s:.3g} s"
            raise LostError(message, code="timeout", node=kept.node) from error
        except (trio.BrokenResourceError, httptools.HttpParserError) as error:
            message = f"the connection to {attempt.address} ended before the answer: {error}"
            raise LostError(message, node=kept.node) from error
        finally:
            if not stays or not self._keep(attempt.address, kept):
                kept.drop()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._closed = True
        for idle in self._idle.values():
            for kept in idle:
                kept.drop()
        self._idle.clear()

    async def _take(self, attempt: Attempt) -> _Kept:
        idle = [] if attempt.fresh else self._idle.get(attempt.address, [])
        while idle:
            kept = idle.pop()
            # Nothing is owed to us, so what can be read is the end of the connection.
            if not kept.stream.socket.is_readable():
                return kept
            kept.drop()
        address = attempt.address
        try:
            with trio.fail_after(min(attempt.wait_s, CONNECT_WAIT_S_MAX)):
                return _Kept(await trio.open_tcp_stream(address.host, address.port))
        except (OSError, UnicodeError, trio.TooSlowError) as error:
            raise NotSentError(f"{address} cannot be reached: {error}") from error

    def _keep(self, address: Address, kept: _Kept) -> bool:
        idle = self._idle.setdefault(address, [])
        if self._closed or len(idle) >= IDLE_CONNECTIONS_MAX:
            return False
        idle.append(kept)
        return True


def _write(request: Request, address: Address) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {address}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.method != "GET":
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body
