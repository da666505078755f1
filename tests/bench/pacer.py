"""The pacer: a process of its own that offers increments to nodes at a steady rate.

    python -m tests.bench.pacer --rate 5000 --seconds 10 PORT [PORT …]

Theory. A client that waits for each answer offers less as soon as the node is slow, and so hides
what it came to measure. This one sends what is due each tick on a few pipelined connections per
node, whatever has come back. What a node leaves unanswered is bounded: beyond, increments are
skipped and counted as such, so that an overloaded node shows as a rate that was not kept.

It prints one JSON object: for each port what was sent, answered with 200, answered otherwise, and
skipped, and the seconds that it took; with `--every`, before that, lines with the time (of the
monotonic clock) and all that was answered with 200 so far. Raw sockets and selectors, so that it
costs as little of the machine as a load can.
"""

from __future__ import annotations

import json
import selectors
import socket
import time

import attrs
import click
import numpy as np

from tests.bench import sample

TICK_S = 0.01
CONNECTIONS = 4
CHUNK_BYTES = 256 * 1024
# Requests without an answer, per node: half a second of the usual rate.
OPEN_MAX = 2500
# What was sent last is waited for at most so long.
LAST_ANSWERS_S = 10.0
# Different counters, and ready-made requests to them that are used over and over.
COUNTERS = 100_000
REQUESTS = 65_536
GOOD, ANSWERED = b"HTTP/1.1 200", b"HTTP/1.1 "


@attrs.define(eq=False)
class Connection:
    """One connection: what is still to be sent, and the end of what came, cut at any place."""

    sock: socket.socket
    unsent: bytes = b""
    tail: bytes = b""


@attrs.define(eq=False)
class Target:
    """One node's account."""

    port: int
    connections: list[Connection] = attrs.Factory(list)
    due: float = 0.0
    sent: int = 0
    good: int = 0
    answered: int = 0
    skipped: int = 0

    @property
    def open(self) -> int:
        """Return how many requests wait for an answer."""
        return self.sent - self.answered


class Pacer:
    """Offers `rate` increments a second to each of `ports`."""

    def __init__(self, ports: list[int], rate: float) -> None:
        self._rate = rate
        self._selector = selectors.DefaultSelector()
        self.targets = [Target(port) for port in ports]
        for target in self.targets:
            for _ in range(CONNECTIONS):
                sock = socket.create_connection(("127.0.0.1", target.port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                connection = Connection(sock)
                target.connections.append(connection)
                self._selector.register(sock, selectors.EVENT_READ, (target, connection))
        self._requests = make_requests()
        self._next = 0

    def run(self, seconds: float, every: float = 0.0) -> float:
        """Offer for so long; return the seconds until the last answer, at most `LAST_ANSWERS_S`
        more. Tell what was answered `every` so many seconds, if that is not 0.
        """
        began = now = time.perf_counter()
        tick, ticks = 0, round(every / TICK_S)
        while now < began + seconds:
            for target in self.targets:
                self._offer(target, tick)
            tick += 1
            while (now := time.perf_counter()) < began + tick * TICK_S:
                self._receive(began + tick * TICK_S - now)
            if ticks and tick % ticks == 0:
                good = sum(target.good for target in self.targets)
                click.echo(json.dumps({"at": time.monotonic(), "good": good}))
        while any(target.open for target in self.targets):
            if time.perf_counter() > now + LAST_ANSWERS_S:
                break
            self._receive(TICK_S)
        return time.perf_counter() - began

    def _offer(self, target: Target, tick: int) -> None:
        target.due += self._rate * TICK_S
        number = int(target.due)
        target.due -= number
        if target.open + number > OPEN_MAX:
            target.skipped += number
            return
        at = self._next % (REQUESTS - number)
        self._next = at + number
        connection = target.connections[tick % CONNECTIONS]
        connection.unsent += b"".join(self._requests[at : at + number])
        target.sent += number
        _send(connection)

    def _receive(self, seconds: float) -> None:
        for target in self.targets:
            for connection in target.connections:
                if connection.unsent:
                    _send(connection)
        for key, _ in self._selector.select(seconds):
            target, connection = key.data
            _take(target, connection)


def _send(connection: Connection) -> None:
    try:
        sent = connection.sock.send(connection.unsent)
    except BlockingIOError:
        return
    connection.unsent = connection.unsent[sent:]


def _take(target: Target, connection: Connection) -> None:
    data = connection.sock.recv(CHUNK_BYTES)
    if not data:
        raise ConnectionError(f"the node at {target.port} closed a connection")
    data = connection.tail + data
    target.good += data.count(GOOD)
    target.answered += data.count(ANSWERED)
    # Kept from the last place at which the beginning of an answer may be cut. One that is whole
    # but for its status is left for the next time too.
    keep = data.rfind(b"H", -len(GOOD) + 1)
    connection.tail = data[keep:] if keep >= 0 else b""
    target.answered -= connection.tail.count(ANSWERED)


def make_requests() -> list[bytes]:
    """Return increments of counters drawn by Zipf, as requests."""
    generator = np.random.default_rng(sample.SEED)
    ranks = generator.zipf(sample.ZIPF_EXPONENT + 0.1, 2 * REQUESTS) - 1
    chosen = ranks[ranks < COUNTERS][:REQUESTS]
    return [
        b"POST /v1/counters/page-%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % rank for rank in chosen
    ]


@click.command()
@click.option("--rate", type=float, default=5000, help="Increments a second to each node.")
@click.option("--seconds", type=float, default=10)
@click.option("--every", type=float, default=0, help="Tell what was answered so often, seconds.")
@click.argument("ports", type=int, nargs=-1, required=True)
def main(rate: float, seconds: float, every: float, ports: tuple[int, ...]) -> None:
    """Offer increments to the nodes at PORTS and say what became of them."""
    pacer = Pacer(list(ports), rate)
    took = pacer.run(seconds, every)
    found = {
        str(target.port): {
            "sent": target.sent,
            "good": target.good,
            "other": target.answered - target.good,
            "skipped": target.skipped,
        }
        for target in pacer.targets
    }
    click.echo(json.dumps({"seconds": took, "ports": found}))


if __name__ == "__main__":
    main()
