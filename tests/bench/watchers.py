"""Watchers: a process of its own that keeps streams open and says how late they show an increment.

    python -m tests.bench.watchers --streams 1000 --seconds 10 PORT

Theory. An increment of a counter that all streams watch is sent now and then on a connection of its
own (a *mark*), and is answered with the value after it. A stream has shown it when the counter's
sum there is as large; the time between is what a page waits. Streams are raw sockets under one
selector, so that a thousand pages cost as little of the machine as they can.

It prints `open` when all streams have their state, and at the end one JSON object: marks, streams
that were lost, and percentiles of the delays in seconds.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import time

import attrs
import click

from tests.bench.rows import percentile

# The counter that is marked, and what streams watch beside it.
MARKED = "marked"
OTHERS = 9
MARK_EVERY_S = 0.1
CHUNK_BYTES = 64 * 1024
# The counts of the marked counter in an event, by node.
COUNTS = re.compile(rb'"marked":\{([^}]*)\}')
COUNT = re.compile(rb'"([0-9a-f]{32})":"([0-9]+)"')
VALUE = re.compile(rb'"value":([0-9]+)')


@attrs.define(eq=False)
class Stream:
    """One stream: what of an event has come, the counts by node, and the next mark to be shown."""

    sock: socket.socket
    rest: bytes = b""
    counts: dict[bytes, int] = attrs.Factory(dict)
    mark: int = 0
    begun: bool = False


@attrs.define(eq=False)
class Found:
    """Marks as (value, time of the answer), delays, and streams that ended."""

    marks: list[tuple[int, float]] = attrs.Factory(list)
    delays: list[float] = attrs.Factory(list)
    lost: int = 0


def connect(port: int) -> socket.socket:
    """Return a connection to a local node."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def take(stream: Stream, data: bytes, found: Found, now: float) -> None:
    """Take what a stream received at `now`; note the marks that it shows."""
    *events, stream.rest = (stream.rest + data).split(b"\n\n")
    for event in events:
        match = COUNTS.search(event)
        if match is None:
            continue
        for node, count in COUNT.findall(match[1]):
            stream.counts[node] = max(stream.counts.get(node, 0), int(count))
        shown = sum(stream.counts.values())
        if not stream.begun:  # what was marked before it is no news to it
            stream.begun, stream.mark = True, len(found.marks)
        while stream.mark < len(found.marks) and found.marks[stream.mark][0] <= shown:
            found.delays.append(now - found.marks[stream.mark][1])
            stream.mark += 1


class Watchers:
    """Streams of one node, and the connection that marks."""

    def __init__(self, port: int, streams: int) -> None:
        self.found = Found()
        self._selector = selectors.DefaultSelector()
        self._marker = connect(port)
        keys = "&".join(f"key={key}" for key in (MARKED, *(f"k{n}" for n in range(OTHERS))))
        request = f"GET /v1/stream?{keys} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self.streams = [Stream(connect(port)) for _ in range(streams)]
        for stream in self.streams:
            stream.sock.sendall(request)
            stream.sock.setblocking(False)
            self._selector.register(stream.sock, selectors.EVENT_READ, stream)

    def mark(self) -> None:
        """Count the marked counter, and note what it was answered."""
        self._marker.sendall(b"POST /v1/counters/marked HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = self._marker.recv(CHUNK_BYTES)
        value = VALUE.search(answer)
        if value is None:
            raise RuntimeError(f"a mark was answered {answer!r}")
        self.found.marks.append((int(value[1]), time.perf_counter()))

    def receive(self, seconds: float) -> None:
        """Take what has come, after at most so many seconds."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            stream = key.data
            try:
                data = stream.sock.recv(CHUNK_BYTES)
            except ConnectionError:
                data = b""
            if data:
                take(stream, data, self.found, time.perf_counter())
            else:
                self.found.lost += 1
                self._selector.unregister(stream.sock)

    def run(self, seconds: float) -> None:
        """Mark for so long, and wait a moment for the last ones to be shown."""
        end = time.perf_counter() + seconds
        due = 0.0
        while (now := time.perf_counter()) < end + 2.0:
            if due <= now < end:
                self.mark()
                due = now + MARK_EVERY_S
            self.receive(min(due, end + 2.0) - now if now < end else 0.1)

    def close(self) -> None:
        """Close all connections."""
        for stream in self.streams:
            stream.sock.close()
        self._marker.close()
        self._selector.close()


@click.command()
@click.option("--streams", default=1000)
@click.option("--seconds", default=10.0)
@click.argument("port", type=int)
def main(streams: int, seconds: float, port: int) -> None:
    """Keep streams open at a node of this host, and say how late they show what is counted."""
    watchers = Watchers(port, streams)
    while not all(stream.begun for stream in watchers.streams):
        watchers.receive(1.0)
        if watchers.found.lost:
            raise click.ClickException(f"{watchers.found.lost} streams were refused")
    click.echo("open")
    watchers.run(seconds)
    found = watchers.found
    told: dict[str, float] = {"marks": len(found.marks), "lost": found.lost}
    told["shown"] = len(found.delays)
    for share in (0.5, 0.99, 1.0):
        told[f"p{100 * share:g}"] = percentile(found.delays, share)
    click.echo(json.dumps(told))
    watchers.close()


if __name__ == "__main__":
    main()
