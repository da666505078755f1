"""Intake: bytes of one connection in, complete requests out.

Theory. llhttp knows the grammar; this keeps the account. Sizes are counted where the parser
reports them, so that a request gets the same verdict however its bytes were cut into chunks.
Whatever cannot be read ends the connection, because nobody knows where the next request would
begin: requests complete before it are still answered, then the failure is, then all is closed.

Headers that mean nothing to us are dropped at once, those that tell a visitor everywhere but where
visits are counted; trailers are counted and ignored, so that
nothing can be said after the body that was not said before it. No I/O, no clock.
"""

from __future__ import annotations

import enum
import re
from typing import NoReturn

import httptools

from gcounterd.api.limits import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    HEADER_OVERHEAD_BYTES,
    RECEIVE_BYTES,
    TARGET_BYTES_MAX,
    UPLOAD_BYTES_MAX,
)
from gcounterd.api.requests import Request
from gcounterd.api.streams import Upload
from gcounterd.errors import ClientError

# The headers that are kept.
SIGNIFICANT = frozenset(
    (
        b"host",
        b"origin",
        b"expect",
        b"idempotency-key",
        b"idempotency-retry",
        b"gcounter-node",
        b"last-event-id",
        b"if-none-match",
        b"accept-encoding",
    )
)
# Also kept where there are tokens.
SIGNIFICANT_WITH_TOKENS = SIGNIFICANT | {b"authorization"}
# Kept where visits are counted, and only there, since nearly every request has some of them: they
# tell whether somebody looks at a page, and at which.
SIGNIFICANT_OF_VISITS = frozenset(
    (b"user-agent", b"referer", b"purpose", b"sec-purpose", b"x-purpose", b"x-moz")
)
VISITS = (b"/hit/", b"/get/")
_VERSIONS = ("1.0", "1.1")
# Bytes fed while a head is incomplete; above the verdict's bound only while one header has no end.
_HEAD_FED_MAX_BYTES = HEAD_BYTES_MAX + RECEIVE_BYTES
# What the parser's words are shortened to; they never contain bytes of the client.
_UNPRINTABLE = re.compile(r"[^ -~]")


class Stage(enum.Enum):
    """What the next byte belongs to."""

    IDLE = 0
    HEAD = 1
    BODY = 2


class _Stop(Exception):  # noqa: N818 — not an error: it stops the parser after we noted why
    pass


class Intake:
    """The parser of one connection.

    stage    what the next byte belongs to
    failure  why nothing further is read; answer it after the requests taken so far
    closed   the last request said that no other follows
    """

    __slots__ = (
        "_began",
        "_body",
        "_body_bytes",
        "_fed_bytes",
        "_head_bytes",
        "_headers",
        "_keep_alive",
        "_old",
        "_parser",
        "_requests",
        "_says_connection",
        "_significant",
        "_target",
        "_upload",
        "_uploads",
        "closed",
        "failure",
        "stage",
    )

    def __init__(
        self, uploads: frozenset[tuple[bytes, bytes]] = frozenset(), *, tokens: bool = False
    ) -> None:
        """`uploads` are the methods and paths whose bodies come in pieces.

        `tokens`: who asks is looked at.
        """
        self._uploads = uploads
        self._significant = SIGNIFICANT_WITH_TOKENS if tokens else SIGNIFICANT
        self.stage = Stage.IDLE
        self.failure: ClientError | None = None
        self.closed = False
        self._requests: list[Request] = []
        self._began = False
        self._fed_bytes = 0
        self._reset()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    def _reset(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._body_bytes = 0
        self._upload: Upload | None = None
        self._says_connection = False
        self._keep_alive = True
        self._old = False

    def feed(self, data: bytes) -> list[Request]:
        """Take a chunk in and return the requests that it completed.

        After a failure, or a request that closes the connection, further bytes are ignored.
        """
        if self.failure is not None or self.closed or self._parser is None:
            return []
        self._began = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No protocol is offered to change to: the request is answered as it stands. Its body,
            # if it has one, was skipped by the parser, so nothing after it can be trusted.
            self.closed = True
        except httptools.HttpParserError as error:
            self._note(error)
        if self.stage is Stage.HEAD:
            self._fed_bytes = 0 if self._began else self._fed_bytes + len(data)
            if self._fed_bytes > _HEAD_FED_MAX_BYTES:
                self._fail(_head_too_large())
        requests, self._requests = self._requests, []
        if self.closed and requests:
            requests[-1].keep_alive = False
        return requests

    def release(self) -> None:
        """Cut the cycle between parser and intake, so that memory returns at once."""
        self._parser = None
        self.closed = True

    @property
    def awaits_body(self) -> bool:
        """Say whether the client waits for `100 Continue` before it sends a body."""
        return self.stage is Stage.BODY and b"expect" in self._headers and not self._body_bytes

    def continued(self) -> None:
        """Note that `100 Continue` was sent."""
        del self._headers[b"expect"]

    def _note(self, error: Exception) -> None:
        # Bytes after "Connection: close" are not the next request, hence no mistake to answer.
        if self.failure is None and not self.closed:
            context = error.__context__
            if context is not None and not isinstance(context, _Stop):
                raise context
            words = _UNPRINTABLE.sub("?", str(error))
            self._fail(ClientError(400, "malformed", f"this is not an HTTP request: {words}"))

    def _fail(self, error: ClientError) -> None:
        if self.failure is None:
            self.failure = error

    def _stop(self, error: ClientError) -> NoReturn:
        self._fail(error)
        raise _Stop

    # The parser calls what follows; it looks the names up.

    def on_message_begin(self) -> None:
        self._began = True
        self.stage = Stage.HEAD

    def on_url(self, piece: bytes) -> None:
        self._target = self._target + piece if self._target else piece
        if len(self._target) > TARGET_BYTES_MAX:
            self._stop(
                ClientError(414, "target_too_long", f"a target is at most {TARGET_BYTES_MAX} bytes")
            )
        self._head_bytes = len(self._target)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + HEADER_OVERHEAD_BYTES
        if self._head_bytes > HEAD_BYTES_MAX:
            self._stop(_head_too_large())
        if self.stage is not Stage.HEAD:
            return
        name = name.lower()
        if name in self._significant:
            if name in self._headers:
                self._stop(
                    ClientError(400, "malformed", f"two {name.decode()} headers in one request")
                )
            self._headers[name] = value.strip(b" \t")
        elif name == b"connection":
            self._says_connection = True
        elif name == b"content-length" and int(value) > self._body_bytes_max:
            self._stop(_body_too_large(self._body_bytes_max))
        elif name in SIGNIFICANT_OF_VISITS and self._target.startswith(VISITS):
            self._headers.setdefault(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        self.stage = Stage.BODY
        assert self._parser is not None
        self._keep_alive = self._parser.should_keep_alive()
        if self._says_connection or not self._keep_alive:
            self._check_version(self._parser.get_http_version())
        if b"host" not in self._headers and self._parser.get_http_version() == "1.1":
            self._stop(ClientError(400, "malformed", "a request needs a Host header"))
        if self._headers.get(b"expect", b"100-continue").lower() != b"100-continue":
            self._stop(ClientError(417, "expectation_failed", "only 100-continue is known"))
        if self._is_upload:
            self._upload = Upload()
            self._complete(b"")

    @property
    def _is_upload(self) -> bool:
        assert self._parser is not None
        target = self._parser.get_method(), self._target.partition(b"?")[0]
        return target in self._uploads

    @property
    def _body_bytes_max(self) -> int:
        return UPLOAD_BYTES_MAX if self._is_upload else BODY_BYTES_MAX

    def _check_version(self, version: str) -> None:
        if version not in _VERSIONS:
            self._stop(ClientError(505, "bad_version", "this server speaks HTTP/1.1"))
        self._old = version == "1.0"
        if self._old:
            # RFC 9110: an HTTP/1.0 client does not know 100 Continue.
            self._headers.pop(b"expect", None)

    def on_body(self, piece: bytes) -> None:
        self._body_bytes += len(piece)
        if self._upload is not None:
            if self._body_bytes > UPLOAD_BYTES_MAX:
                self._stop(_body_too_large(UPLOAD_BYTES_MAX))
            self._upload.put(piece)
            return
        if self._body_bytes > BODY_BYTES_MAX:
            self._stop(_body_too_large(BODY_BYTES_MAX))
        self._body.append(piece)

    def _complete(self, body: bytes) -> None:
        assert self._parser is not None
        self._requests.append(
            Request(
                self._parser.get_method(),
                self._target,
                self._headers,
                body,
                self._keep_alive,
                self._old,
                self._upload,
            )
        )

    def on_message_complete(self) -> None:
        if self._upload is not None:
            self._upload.complete = True
        else:
            self._complete(b"".join(self._body) if self._body else b"")
        self.closed = not self._keep_alive
        self.stage = Stage.IDLE
        self._reset()


def _head_too_large() -> ClientError:
    return ClientError(431, "head_too_large", f"headers are at most {HEAD_BYTES_MAX} bytes")


def _body_too_large(most: int) -> ClientError:
    return ClientError(413, "body_too_large", f"a body is at most {most} bytes")
