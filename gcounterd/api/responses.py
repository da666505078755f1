"""Responses: what is answered, as a value and as bytes.

Theory. Answers to increments are nearly all the same: their heads are rendered once a second, and
a value is two `%` operations behind them. Everything else goes through `Response`. Every error
has one shape and says whether the operation took effect: `{"error": {"code", "message",
"definite"}}`.

Numbers are written with all their digits; JSON is ASCII, so that no answer depends on a charset.
This module refuses to know routes and sockets.
"""

from __future__ import annotations

import http
import json
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from email.utils import formatdate
from typing import Protocol

import attrs

from gcounterd.api.limits import RETRY_AFTER_S
from gcounterd.errors import ClientError, GCounterError, StorageError

_LOG = logging.getLogger(__name__)

JSON_TYPE = b"application/json"
TEXT_TYPE = b"text/plain; charset=utf-8"
NO_STORE = b"no-store"
# Pages that isolate themselves load only what says that it is for others.
EMBEDDABLE = (b"Cross-Origin-Resource-Policy", b"cross-origin")
# What a page of another origin needs to read an answer, and what of its headers.
_SHARED = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Expose-Headers: Gcounter-Node, Idempotency-Replayed, Idempotency-Window, "
    b"Retry-After\r\n"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_RETRY_STATUSES = (429, 503)
# Statuses whose answers have neither a body nor a Content-Length.
_BARE_STATUSES = (204, 304)


class Live(Protocol):
    """An answer that has no end of its own: it is sent by whoever makes it, on the socket."""

    async def run(self, sock: socket.socket) -> None:
        """Send on a socket whose head is out, until either side ends it."""

    def close(self) -> None:
        """Let go of what it holds; called once, whether it has run or not."""


@attrs.frozen
class Response:
    """One answer. `headers` are those beside the ones that every answer carries.

    cache   the value of Cache-Control
    pieces  what follows in place of the body, made while it is sent
    live    likewise, and the connection is its own from then on, and ends with it
    """

    status: int = 200
    body: bytes = b""
    content_type: bytes = JSON_TYPE
    headers: tuple[tuple[bytes, bytes], ...] = ()
    code: str = ""  # of an error, for the metrics
    cache: bytes = NO_STORE
    pieces: AsyncGenerator[bytes, None] | None = None
    live: Live | None = None


def dump(value: object) -> bytes:
    """Encode JSON: ASCII, no spaces."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def answer(value: Mapping[str, object], status: int = 200) -> Response:
    """Answer with a JSON object."""
    return Response(status, dump(value))


def refuse(
    error: ClientError,
    details: Mapping[str, object] | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Response:
    """Answer with an error; `details` and the error's own stand beside it in the body."""
    shape = {"code": error.code, "message": error.message, "definite": error.definite}
    if error.status in _RETRY_STATUSES:
        headers = (*headers, (b"Retry-After", b"%d" % RETRY_AFTER_S))
    body = dump({"error": shape, **error.details, **(details or {})})
    return Response(error.status, body, headers=headers, code=error.code)


def blame(error: Exception) -> ClientError:
    """Turn whatever a backend raised into what the client is told."""
    if isinstance(error, ClientError):
        return error
    if isinstance(error, StorageError):
        status, code = (507, "disk_full") if error.full else (503, "storage")
        return ClientError(status, code, str(error), definite=error.definite)
    if isinstance(error, GCounterError):
        return ClientError(503, "unavailable", str(error), definite=False)
    _LOG.error("a request met a mistake of ours", exc_info=error)
    return ClientError(500, "internal", "a mistake of this server; see its log", definite=False)


class Heads:
    """Writes the answers of this node; `refresh` it each second for their date.

    `count` is told of every error answer, as `http_` and its code.
    """

    def __init__(self, name: str, count: Callable[[str], None]) -> None:
        self._name = name.encode("ascii", "backslashreplace")
        self._count = count
        self.common = b""
        self.value = b""  # up to the number of Content-Length, of a 200 in JSON
        self.visit = b""  # the same, of the answer to a visit
        self.refresh()

    def refresh(self) -> None:
        """Write the present time into the heads."""
        self.common = (b"Date: %b\r\nGcounter-Node: %b\r\nX-Content-Type-Options: nosniff\r\n") % (
            formatdate(usegmt=True).encode(),
            self._name,
        )
        head = b"HTTP/1.1 200 OK\r\n%bCache-Control: %b\r\n" % (self.common, NO_STORE)
        kind = b"Content-Type: %b\r\nContent-Length: " % JSON_TYPE
        self.value = head + kind
        self.visit = head + b"%b: %b\r\n" % EMBEDDABLE + kind

    def render(
        self,
        response: Response,
        *,
        body: bool = True,
        keep: bool = True,
        old: bool = False,
        shared: bool = False,
    ) -> bytes:
        """Write an answer: `body` False for HEAD, `keep` False for the last one, `old` HTTP/1.0.

        `shared`: pages of other origins may read it.
        """
        if response.code:
            self._count(f"http_{response.code}")
        phrase = http.HTTPStatus(response.status).phrase.encode()
        parts = [b"HTTP/1.1 %d %b\r\n%b" % (response.status, phrase, self.common)]
        parts.append(b"Cache-Control: %b\r\n" % response.cache)
        if shared:
            parts.append(_SHARED)
        for name, value in response.headers:
            parts.append(b"%b: %b\r\n" % (name, value))
        if not keep:
            parts.append(b"Connection: close\r\n")
        elif old:
            parts.append(b"Connection: keep-alive\r\n")
        if response.status in _BARE_STATUSES:
            parts.append(b"\r\n")
            return b"".join(parts)
        parts.append(b"Content-Type: %b\r\n" % response.content_type)
        if response.live is not None:
            parts.append(b"\r\n")  # its end is the connection's
            return b"".join(parts)
        if response.pieces is not None:
            # Whoever does not know chunks sees by the connection's end that there are no more.
            parts.append(b"\r\n" if old else b"Transfer-Encoding: chunked\r\n\r\n")
            return b"".join(parts)
        parts.append(b"Content-Length: %d\r\n\r\n" % len(response.body))
        if body:
            parts.append(response.body)
        return b"".join(parts)
