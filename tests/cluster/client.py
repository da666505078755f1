"""A client of one node's HTTP API that never guesses what became of a request.

Theory. A request ends in one of three ways: an answer; `NotSent`, when no byte of it can have
reached the node; or `Lost`, when it may have, and so may have been counted. Only the first two may
be repeated. A connection that the node closed while it was idle is found before it is used again,
so that keeping connections open makes no request indefinite that was not.

This module refuses to know the meaning of requests, but for a few that every user needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import attrs
import httptools
import trio

# Above the API's own default of 5 s for anything that waits.
ANSWER_WAIT_S = 15.0
CONNECT_WAIT_S = 2.0
CHUNK_BYTES = 64 * 1024
# Answers of a listing page are far smaller; a longer one is a fault of the node's.
ANSWER_BYTES_MAX = 16 * 1024 * 1024
# How many counters one page of a listing asks for.
PAGE_COUNTERS = 500


class NotSent(Exception):
    """The request did not reach the node: nothing was counted."""


class Lost(Exception):
    """The connection ended before the answer: the request may have been counted."""


@attrs.frozen
class Answer:
    """What the node said; names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = attrs.field(factory=dict, eq=False)

    def json(self) -> Any:
        """Return the decoded body; raise `ValueError` if it is not JSON."""
        return json.loads(self.body)

    def definite(self) -> bool:
        """Say whether this error states that nothing was counted; when in doubt, False."""
        try:
            return self.json()["error"]["definite"] is True
        except (ValueError, KeyError, TypeError):
            return False


class _Reader:
    """Gathers one answer from httptools' callbacks."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.headers: dict[str, str] = {}
        self.done = False
        self.keep_alive = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        self.done = True
        # Only here does the parser know: it forgets the message when it has told of its end.
        self.keep_alive = self.parser.should_keep_alive()


class Client:
    """One keep-alive connection to one node, opened when needed. One request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._stream: trio.SocketStream | None = None

    @classmethod
    def at(cls, url: str) -> Client:
        """Make a client for `http://host:port`."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise ValueError(f"{url!r} is not http://host:port")
        return cls(parts.hostname, parts.port)

    async def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        wait_s: float = ANSWER_WAIT_S,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        `target` is already percent-encoded. Raises `NotSent` or `Lost`.
        """
        stream = await self._connected()
        finished = False
        try:
            with trio.fail_after(wait_s):
                await stream.send_all(self._head(method, target, body, headers or {}) + body)
                answer, keep = await _read_answer(stream)
                finished = keep
                return answer
        except (trio.BrokenResourceError, trio.TooSlowError, httptools.HttpParserError) as error:
            raise Lost(f"{method} {target} at {self.host}:{self.port}: {error!r}") from error
        finally:
            if not finished:
                self.drop()

    def drop(self) -> None:
        """Close the connection at once."""
        if self._stream is not None:
            self._stream.socket.close()
            self._stream = None

    async def _connected(self) -> trio.SocketStream:
        if self._stream is not None and self._stream.socket.is_readable():
            # Nothing is owed to us, so this is the end of the connection, not an answer.
            self.drop()
        if self._stream is None:
            try:
                with trio.fail_after(CONNECT_WAIT_S):
                    self._stream = await trio.open_tcp_stream(self.host, self.port)
            except (OSError, trio.TooSlowError) as error:
                raise NotSent(f"{self.host}:{self.port}: {error!r}") from error
        return self._stream

    def _head(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        named = {"Host": f"{self.host}:{self.port}", **headers}
        more = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        return (f"{method} {target} HTTP/1.1\r\n{more}Content-Length: {len(body)}\r\n\r\n").encode(
            "ascii"
        )


async def _read_answer(stream: trio.SocketStream) -> tuple[Answer, bool]:
    reader = _Reader()
    while not reader.done:
        chunk = await stream.receive_some(CHUNK_BYTES)
        if not chunk or len(reader.body) > ANSWER_BYTES_MAX:
            raise trio.BrokenResourceError("the connection ended before the answer")
        reader.parser.feed_data(bytes(chunk))
    answer = Answer(reader.parser.get_status_code(), bytes(reader.body), reader.headers)
    return answer, reader.keep_alive


def counter_target(key: str) -> str:
    """Return the path of a counter: `/v1/counters/` and the key, percent-encoded whole."""
    return "/v1/counters/" + quote(key, safe="")


async def read_counters(client: Client) -> dict[str, int]:
    """Return all counters that a node shows, page by page.

    Raises `ConnectionError` if the node answers a page with an error; `NotSent` and `Lost` pass.
    """
    counters: dict[str, int] = {}
    target = f"/v1/counters?limit={PAGE_COUNTERS}"
    while True:
        answer = await client.request("GET", target)
        if answer.status != 200:
            raise ConnectionError(f"{target}: {answer.status} {answer.body[:200]!r}")
        page = answer.json()
        counters.update((item["key"], item["value"]) for item in page["counters"])
        if page.get("next") is None:
            return counters
        target = f"/v1/counters?limit={PAGE_COUNTERS}&after={quote(page['next'], safe='')}"


async def why_not_ready(client: Client) -> str | None:
    """Return None if `/readyz` answers 200, else what it says or why it cannot be asked."""
    try:
        answer = await client.request("GET", "/readyz", wait_s=CONNECT_WAIT_S)
    except (NotSent, Lost) as error:
        return str(error)
    if answer.status == 200:
        return None
    return f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}"
