"""Redis, to compare with, and redis-benchmark, to put load on it and on anything that speaks RESP.

Theory. A node that syncs before it answers promises what Redis promises with `appendfsync always`;
a node that answers first and syncs soon, what it promises with `everysec`. redis-benchmark is one
thread, so on two cores it and the server have one each.

This module refuses to know what is compared; see `incr`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.cluster.programs import ProgramError, free_port, open_program

SERVER, BENCHMARK = "redis-server", "redis-benchmark"
CLIENTS = 50
KEYS = 100_000
# "INCR","49019.61", …: the first number in quotes.
RATE = re.compile(r'^"[^"]*","([\d.]+)"', re.MULTILINE)
# A run that takes longer hangs.
PATIENCE_S = 180.0
# redis-benchmark sends whole pipelines; fewer than this for each client would measure its start.
PIPELINES_MIN = 20


@attrs.frozen
class Load:
    """What redis-benchmark sends: INCR of random keys, so many at once on each connection."""

    pipeline: int = 1
    clients: int = CLIENTS
    keys: int = KEYS

    def requests(self, rate: float, seconds: float) -> int:
        """Return how many increments take so long at a rate, in whole pipelines of all clients."""
        round_of_all = self.pipeline * self.clients
        return round_of_all * max(PIPELINES_MIN, round(rate * seconds / round_of_all))


@asynccontextmanager
async def open_redis(place: Path, appendfsync: str) -> AsyncIterator[tuple[int, trio.Process]]:
    """Run a Redis of its own with an append-only file in a folder; yield its port and process."""
    place.mkdir(parents=True, exist_ok=True)
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "save": "", "dir": place.absolute()}
    options |= {"appendonly": "yes", "appendfsync": appendfsync}
    command = [
        SERVER,
        *(word for name, value in options.items() for word in (f"--{name}", f"{value}")),
    ]
    async with open_program(command, port, place / "log") as process:
        yield port, process


async def run_benchmark(port: int, load: Load, requests: int) -> float:
    """Send so many increments; return how many were answered a second.

    Raises `ProgramError` if one of them was answered by an error.
    """
    command = [BENCHMARK, "-p", str(port), "-c", str(load.clients), "-n", str(requests)]
    command += ["-r", str(load.keys), "-P", str(load.pipeline), "-t", "incr", "--csv"]
    with trio.move_on_after(PATIENCE_S) as waited:
        done = await trio.run_process(
            command,
            check=False,
            capture_stdout=True,
            capture_stderr=True,
            stdin=subprocess.DEVNULL,
        )
    if waited.cancelled_caught:
        raise ProgramError(f"{BENCHMARK} took more than {PATIENCE_S:g} s")
    if done.returncode:  # it ends at the first error
        raise ProgramError(f"{BENCHMARK} says:\n{(done.stdout + done.stderr).decode()}")
    return read_rate(done.stdout.decode())


def read_rate(printed: str) -> float:
    """Return the rate that redis-benchmark prints; raise `ProgramError` if there is none."""
    found = RATE.findall(printed)
    if not found:
        raise ProgramError(f"{BENCHMARK} says:\n{printed}")
    return float(found[-1])
