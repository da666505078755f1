"""The bare responder: as much HTTP on Trio as can be served for the least, to compare with.

    python -m tests.bench.responder      prints the port it listens on; ends when stdin does

Theory. One parser of httptools per connection, a raw socket that is read and written first and
parked on only when it is empty, and one constant answer per request. No routes, no limits, no
counting, no disk: what a node needs beyond this is the price of being a node.
"""

from __future__ import annotations

import socket
import sys

import httptools
import trio

BODY = b'{"key":"x","value":12345}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
CHUNK_BYTES = 16 * 1024
BACKLOG = 1024
# A chunk is some work; a connection that never parks lets the others run this often.
CHUNKS_BEFORE_YIELD = 16


class Requests:
    """Counts the requests that a parser completed."""

    def __init__(self) -> None:
        self.complete = 0

    def on_message_complete(self) -> None:
        """Count one."""
        self.complete += 1


async def answer(sock: socket.socket) -> None:
    """Serve one connection until its client closes it."""
    requests = Requests()
    parser = httptools.HttpRequestParser(requests)
    chunks = 0
    with sock:
        while True:
            try:
                data = sock.recv(CHUNK_BYTES)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)
                continue
            except ConnectionResetError:
                return
            if not data:
                return
            parser.feed_data(data)
            if requests.complete:
                # What does not fit a socket's buffer is lost: clients here wait for answers.
                sock.send(ANSWER * requests.complete)
                requests.complete = 0
            chunks += 1
            if chunks % CHUNKS_BEFORE_YIELD == 0:
                await trio.lowlevel.checkpoint()


async def main() -> None:
    """Serve until the parent closes our input."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listening.setblocking(False)
    print(listening.getsockname()[1], flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_accept, listening, nursery)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


async def _accept(listening: socket.socket, nursery: trio.Nursery) -> None:
    while True:
        await trio.lowlevel.wait_readable(listening)
        sock, _ = listening.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        nursery.start_soon(answer, sock)


if __name__ == "__main__":
    trio.run(main)
