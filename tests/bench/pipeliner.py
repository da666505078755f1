"""A load of different keys: INCR of each of so many keys once, in pipelines, from many connections.

    python -m tests.bench.pipeliner --port 6379 --keys 1000000      prints JSON: keys, seconds

Theory. redis-benchmark draws its keys, so a million draws from a million keys name 632,000 of them,
and all but a few of more draws are repeats. Here the keys are numbered, look like those of
redis-benchmark, and each is sent once. All bytes are made before the clock starts; after that a
pipeline costs this process one receive and one send, some 10 µs, so it can offer several million
increments a second. Every answer is looked at: anything but the number 1 is an error, unless
`--again` says that keys have been counted before.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import attrs
import click
import trio

from tests.cluster.programs import ProgramError

DEPTH, CLIENTS = 64, 50
ERROR_BYTES = 500
CHUNK_BYTES = 64 * 1024
# No answer for so long: the server hangs.
PATIENCE_S = 60.0
FIRST, LATER = re.compile(rb"(:1\r\n)*"), re.compile(rb"(:\d+\r\n)*")


class WrongAnswer(Exception):
    """The server answered something else than the numbers that were asked for."""


@attrs.define
class Line:
    """A connection with a pipeline under way: how many answers it lacks, and what came of one."""

    sock: socket.socket
    lacking: int = 0
    rest: bytes = b""

    def take(self, answers: re.Pattern[bytes]) -> None:
        """Receive once and count the answers; raises `WrongAnswer`."""
        data = self.sock.recv(CHUNK_BYTES)
        if not data:
            raise WrongAnswer("the server closed the connection")
        data = self.rest + data
        end = data.rfind(b"\n") + 1
        if answers.fullmatch(data, 0, end) is None:
            raise WrongAnswer(f"the server answered {data[:200]!r}")
        self.lacking -= data.count(b"\n")
        self.rest = data[end:]


def make_key(number: int) -> bytes:
    """Return a key as redis-benchmark makes them, 20 bytes."""
    return b"counter:%012d" % number


def make_pipelines(keys: int, depth: int) -> Iterator[tuple[int, bytes]]:
    """Yield pipelines of INCR, with the number of commands, that name each key once."""
    for at in range(0, keys, depth):
        some = [make_key(number) for number in range(at, min(at + depth, keys))]
        yield (
            len(some),
            b"".join(b"*2\r\n$4\r\nINCR\r\n$%d\r\n%b\r\n" % (len(key), key) for key in some),
        )


def send_all(port: int, keys: int, depth: int, clients: int, *, again: bool) -> float:
    """Send everything; return the seconds from the first byte to the last answer.

    Raises `WrongAnswer`.
    """
    pipelines = list(make_pipelines(keys, depth))
    pipelines.reverse()  # taken from the end
    with ExitStack() as held:
        lines = []
        for _ in range(clients):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lines.append(Line(sock))
        began = time.perf_counter()
        _exchange(lines, pipelines, LATER if again else FIRST)
        return time.perf_counter() - began


def _exchange(
    lines: list[Line], pipelines: list[tuple[int, bytes]], answers: re.Pattern[bytes]
) -> None:
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line.sock, selectors.EVENT_READ, line)
        busy = sum(_send_next(line, pipelines) for line in lines)
        while busy:
            ready = selector.select(PATIENCE_S)
            if not ready:
                raise WrongAnswer(f"no answer for {PATIENCE_S:g} s")
            for key, _ in ready:
                key.data.take(answers)
                if key.data.lacking == 0 and not _send_next(key.data, pipelines):
                    busy -= 1


def _send_next(line: Line, pipelines: list[tuple[int, bytes]]) -> bool:
    if not pipelines:
        return False
    line.lacking, data = pipelines.pop()
    line.sock.sendall(data)  # a few KB into an empty buffer
    return True


async def count_all(port: int, keys: int, *, again: bool = False) -> float:
    """Count each key once, from a process of its own; return the seconds.

    Raises `ProgramError` if an answer was wrong.
    """
    command = [sys.executable, "-m", "tests.bench.pipeliner", "--port", str(port)]
    command += ["--keys", str(keys), *(["--again"] if again else [])]
    done = await trio.run_process(
        command, check=False, capture_stdout=True, capture_stderr=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise ProgramError(done.stderr.decode()[-ERROR_BYTES:])
    return float(json.loads(done.stdout)["seconds"])


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--keys", default=1_000_000, show_default=True)
@click.option("--pipeline", "depth", default=DEPTH, show_default=True)
@click.option("--clients", default=CLIENTS, show_default=True)
@click.option("--again", is_flag=True, help="The keys may have been counted before.")
def main(port: int, keys: int, depth: int, clients: int, again: bool) -> None:
    """Count each of so many keys once."""
    seconds = send_all(port, keys, depth, clients, again=again)
    click.echo(json.dumps({"keys": keys, "seconds": seconds}))


if __name__ == "__main__":
    main()
