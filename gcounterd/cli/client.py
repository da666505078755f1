"""A small HTTP client over TCP or a Unix socket, on the standard library alone.

One request, one connection. What matters here is telling apart how a request can fail: it was
never sent (the daemon is unreachable, nothing happened), it was sent but no answer came (an
increment may have been counted), it was answered with an error (which says itself whether it took
effect). Nothing is ever sent twice. The client refuses to know redirects, proxies and cookies.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from gcounterd.cli.failures import EXIT_FAILED, EXIT_UNFINISHED, EXIT_UNREACHABLE, CallError
from gcounterd.cli.targets import Target

# The largest answer is a listing of 1,000 keys of 1,024 bytes, escaped: some 6 MiB.
ANSWER_BYTES_MAX = 16 * 1024 * 1024
# A daemon on the same network accepts in milliseconds; one that takes longer is not there.
CONNECT_WAIT_S_MAX = 5.0

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `status`, and its JSON object (empty where it is none)."""

    status: int
    body: dict[str, Any]

    def field(self, name: str, kind: type) -> Any:
        """Return a field of the type it has to have; raise `CallError` if it has not."""
        value = self.body.get(name)
        # For Python True is a whole number, for an answer it is none.
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
        message = f"the answer has no proper {name!r}: is this a gcounterd of this version?"
        raise CallError(EXIT_FAILED, "bad_answer", message)


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to one daemon; `wait_s` bounds each wait for it."""

    target: Target
    wait_s: float

    def get(self, path: str, query: Query = (), accept: Sequence[int] = (200,)) -> Answer:
        """Read; raise `CallError` unless the status is one of `accept`."""
        return self._call("GET", path, query, None, accept)

    def post(
        self, path: str, body: object, accept: Sequence[int] = (200,), query: Query = ()
    ) -> Answer:
        """Ask for a change, with a JSON body; raise `CallError`, which says if it may be done."""
        return self._call("POST", path, query, json.dumps(body).encode(), accept)

    def delete(self, path: str, query: Query = (), accept: Sequence[int] = (200,)) -> Answer:
        """Ask for something to be taken away; raise `CallError` as `post` does."""
        return self._call("DELETE", path, query, None, accept)

    def _call(
        self, method: str, path: str, query: Query, body: bytes | None, accept: Sequence[int]
    ) -> Answer:
        route = f"{path}?{encode_query(query)}" if query else path
        changes = method != "GET"
        with self.exchange(changes=changes) as connection:
            headers = {"Accept": "application/json", "Connection": "close"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, route, body, headers)
            # The response outlives its connection, so it has to be closed too.
            with connection.getresponse() as response:
                return self.read(response, changes=changes, accept=accept)

    @contextlib.contextmanager
    def exchange(self, *, changes: bool) -> Iterator[http.client.HTTPConnection]:
        """Connect for one request and its answer; what goes wrong meanwhile is a `CallError`."""
        connection = self._connect(changes)
        with contextlib.closing(connection), self._blame(changes):
            yield connection

    def read(
        self, response: http.client.HTTPResponse, *, changes: bool, accept: Sequence[int] = (200,)
    ) -> Answer:
        """Read an answer whole; raise `CallError` unless its status is one of `accept`."""
        answer = Answer(response.status, _read_object(_read_body(response)))
        if answer.status not in accept:
            raise _failure(answer, changes)
        if not answer.body:
            raise _no_gcounterd(answer.status, changes)
        return answer

    def _connect(self, changes: bool) -> http.client.HTTPConnection:
        target = self.target
        connection = _Connection(target.host, target.port)
        connection.token = target.token
        wait_s = min(self.wait_s, CONNECT_WAIT_S_MAX)
        try:
            # Connecting is done here, so that failing at it is not mistaken for a lost answer.
            if target.socket_path is None:
                channel = _connect_tcp(target, wait_s)
            else:
                channel = _connect_unix(target.socket_path, wait_s)
        except (OSError, UnicodeError) as error:
            message = f"{target} cannot be reached: {error}"
            definite = True if changes else None
            raise CallError(EXIT_UNREACHABLE, "unreachable", message, definite=definite) from error
        channel.settimeout(self.wait_s)
        connection.sock = channel
        return connection

    @contextlib.contextmanager
    def _blame(self, changes: bool) -> Iterator[None]:
        definite = False if changes else None
        try:
            yield
        except TimeoutError as error:
            message = f"{self.target} did not answer within {self.wait_s:g} s"
            raise CallError(EXIT_UNFINISHED, "timeout", message, definite=definite) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            message = f"the connection to {self.target} was lost before the answer: {reason}"
            raise CallError(EXIT_FAILED, "lost", message, definite=definite) from error


def encode_query(query: Query) -> str:
    """Return the part of a target behind the question mark."""
    return urlencode(query, quote_via=quote)


def key_path(key: str) -> str:
    """Return the path of a counter; every byte but letters, digits and `_.-~` is escaped."""
    return f"/v1/counters/{quote(key, safe='')}"


class _Connection(http.client.HTTPConnection):
    """A connection whose requests all show a token, if there is one."""

    token = ""

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """End the headers of a request."""
        if self.token:
            self.putheader("Authorization", f"Bearer {self.token}")
        super().endheaders(message_body, encode_chunked=encode_chunked)


def _connect_tcp(target: Target, wait_s: float) -> socket.socket:
    channel = socket.create_connection((target.host, target.port), wait_s)
    if not target.secure:
        return channel
    try:
        context = ssl.create_default_context(cafile=target.tls_ca)
        return context.wrap_socket(channel, server_hostname=target.host)
    except BaseException:
        channel.close()
        raise


def _connect_unix(path: str, wait_s: float) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.settimeout(wait_s)
        channel.connect(path)
    except BaseException:
        channel.close()
        raise
    return channel


def _read_body(response: http.client.HTTPResponse) -> bytes:
    data = response.read(ANSWER_BYTES_MAX + 1)
    # Asked for a number of bytes, the standard library does not mind getting fewer than promised.
    if response.length and len(data) <= ANSWER_BYTES_MAX:
        raise http.client.IncompleteRead(data, response.length)
    return data


def _read_object(data: bytes) -> dict[str, Any]:
    """Read a JSON object; what is none, or too long, is empty."""
    if len(data) > ANSWER_BYTES_MAX:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _failure(answer: Answer, changes: bool) -> CallError:
    """Turn an error answer into a failure."""
    error = answer.body.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return _no_gcounterd(answer.status, changes)
    more = {name: value for name, value in answer.body.items() if name != "error"}
    # Only a read that could not be exact in time names who was missing.
    status = EXIT_UNFINISHED if "missing" in more else EXIT_FAILED
    definite = error.get("definite") is True
    code = str(error.get("code", f"http_{answer.status}"))
    return CallError(status, code, error["message"], definite=definite, more=more)


def _no_gcounterd(status: int, changes: bool) -> CallError:
    message = f"the answer, with status {status}, is not one of a gcounterd"
    return CallError(EXIT_FAILED, "bad_answer", message, definite=False if changes else None)
