"""One connection of the load to one node: a request under way at most, and no guess what became
of it.

Theory. The load must cost little beside the seven daemons it is there for, so this is a raw socket
under a selector, and of HTTP only what a node of ours answers: a status, a length, a body. With one
request at a time on a connection, its end tells exactly which request has no answer.

This module refuses to know what requests mean.
"""

from __future__ import annotations

import re
import selectors
import socket
from typing import Any

import attrs

CHUNK_BYTES = 256 * 1024
# Loopback connects at once or is refused; only a backlog that is full makes it wait.
CONNECT_WAIT_S = 0.5
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


@attrs.frozen
class Answered:
    """What a node said."""

    status: int
    body: bytes


class Broken(Exception):
    """The connection ended. Whether a request was under way is for the caller to look up."""


class Wire:
    """A connection to `port` of 127.0.0.1, opened when something is sent.

    `tag` is what the selector hands back for it. `task` is what is under way, None if nothing is.
    """

    def __init__(self, port: int, selector: selectors.BaseSelector, tag: Any) -> None:
        self.task: Any = None
        self.since = 0.0
        self._port = port
        self._selector = selector
        self._tag = tag
        self._sock: socket.socket | None = None
        self._data = b""

    def send(self, request: bytes, task: Any, now: float) -> bool:
        """Send a request; False if no byte of it can have reached the node."""
        assert self.task is None
        try:
            if self._sock is None:
                self._connect()
            assert self._sock is not None
            sent = self._sock.send(request)
        except OSError:
            self.drop()
            return False
        # A request is far smaller than an empty socket's buffer, and one at a time is under way.
        assert sent == len(request)
        self.task, self.since = task, now
        return True

    def receive(self) -> Answered | None:
        """Take in what came; return the answer if it is whole. Raises `Broken`."""
        assert self._sock is not None
        try:
            chunk = self._sock.recv(CHUNK_BYTES)
        except OSError as error:
            raise Broken(str(error)) from error
        if not chunk:
            raise Broken("closed")
        self._data += chunk
        head, end, body = self._data.partition(_END)
        if not end:
            return None
        length = _LENGTH.search(head)
        if length is None:
            raise Broken("an answer without its length")
        if len(body) < int(length[1]):
            return None
        self._data = b""
        return Answered(int(head[9:12]), body)

    def drop(self) -> None:
        """Close the connection; what was under way is forgotten."""
        self.task, self._data = None, b""
        if self._sock is not None:
            self._selector.unregister(self._sock)
            self._sock.close()
            self._sock = None

    def _connect(self) -> None:
        sock = socket.create_connection(("127.0.0.1", self._port), CONNECT_WAIT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._sock = sock
        self._selector.register(sock, selectors.EVENT_READ, self._tag(self))


def request(method: str, target: str, body: bytes = b"") -> bytes:
    """Return a request as bytes; `target` is percent-encoded."""
    head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if body or method == "POST":
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + body
