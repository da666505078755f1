"""Transfers: bodies too large for one piece of memory, sent to a daemon or read from it.

A file goes out in pieces while its progress is told, and an answer comes in likewise. What is told
apart is the same as for any request (`cli.client`): never sent, sent without an answer, answered
with an error. A daemon may answer in the middle of a file that it does not want; then the pipe
breaks, and the answer is read all the same. This module refuses to know formats.
"""

from __future__ import annotations

import contextlib
import http.client
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

from gcounterd.cli.client import Answer, Client, Query, encode_query
from gcounterd.cli.failures import EXIT_FAILED, CallError

PIECE_BYTES = 64 * 1024


def upload(
    client: Client,
    path: str,
    query: Query,
    file: BinaryIO,
    size: int | None,
    told: Callable[[int], None],
) -> Answer:
    """Send a file of that size, if it is known; `told` gets how many bytes are sent.

    Raises `CallError`.
    """
    route = f"{path}?{encode_query(query)}"
    with client.exchange(changes=True) as connection:
        connection.putrequest("POST", route)
        for name, value in (("Accept", "application/json"), ("Connection", "close")):
            connection.putheader(name, value)
        if size is None:
            connection.putheader("Transfer-Encoding", "chunked")
        else:
            connection.putheader("Content-Length", str(size))
        connection.endheaders()
        # A daemon that does not want the rest has answered; reading says what.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent = 0
            # Of a file that grows meanwhile, what was promised.
            most = sys.maxsize if size is None else size
            while piece := file.read(min(PIECE_BYTES, most - sent)):
                connection.send(_chunk(piece) if size is None else piece)
                sent += len(piece)
                told(sent)
            if size is None:
                connection.send(_chunk(b""))
        with connection.getresponse() as response:
            return client.read(response, changes=True)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def download(client: Client, path: str, query: Query) -> Iterator[bytes]:
    """Yield an answer as it comes, in pieces; raise `CallError`, also where it breaks off."""
    route = f"{path}?{encode_query(query)}" if query else path
    with client.exchange(changes=False) as connection:
        connection.request("GET", route, headers={"Connection": "close"})
        with connection.getresponse() as response:
            if response.status != http.client.OK:
                client.read(response, changes=False)
                text = f"the answer has status {response.status}"
                raise CallError(EXIT_FAILED, "bad_answer", text)
            # Not line by line: the standard library does not mind lines that break off.
            while piece := response.read(PIECE_BYTES):
                yield piece
