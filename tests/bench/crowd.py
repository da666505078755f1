"""A cluster of processes of any membership system, started, watched through pipes, struck.

Theory. Systems that call each other's clocks cannot be compared, so one process, this one, reads
all pipes and takes all times, and asks nothing: each system tells its news as it happens, as
lines of text. The harness sleeps between them, so it takes nothing from those it measures.

Processes listen on ports of 127.0.0.1 below those that the system gives to outgoing connections,
with nothing between them: when a process is killed, its port refuses.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.bench.sightings import Sightings, Told

# Ten interpreters start in a few seconds on two cores; a join is retried within a few more.
ASSEMBLE_WAIT_S = 60.0
# Of each process, for the message when something goes wrong.
TAIL_LINES = 12
PORTS = range(20_000, 30_000)


class CrowdError(Exception):
    """The processes did not do what the measurement rests on. For people to read."""


class Unavailable(Exception):
    """A system cannot be run here; says why and what would help."""


@attrs.frozen
class Seat:
    """Where one process runs: its name, its own directory, its two ports of 127.0.0.1."""

    name: str
    directory: Path
    port: int
    other_port: int


@attrs.frozen
class System:
    """How one membership system is run.

    prepare  make it runnable, return its version in words; raises `Unavailable`
    command  the command of the process at a seat, which joins through the seat of the seed
    read     what a line of its output says
    """

    name: str
    prepare: Callable[[], str]
    command: Callable[[Seat, Seat], list[str]]
    read: Callable[[str], Told | None]


class Crowd:
    """The processes of one system; made by `open_crowd`."""

    def __init__(self, system: System, seats: dict[str, Seat], readers: trio.Nursery) -> None:
        self.sightings = Sightings(list(seats))
        self._system = system
        self._seats = seats
        self._readers = readers
        self._processes: dict[str, trio.Process] = {}
        self._tails: dict[str, deque[str]] = {name: deque(maxlen=TAIL_LINES) for name in seats}
        self._struck: str | None = None
        self._ended: list[str] = []
        self._news = trio.Event()

    async def assemble(self) -> None:
        """Start the seed, then all others; return when all see all."""
        seed, *others = self._seats
        with trio.move_on_after(ASSEMBLE_WAIT_S):
            await self._start(seed)
            await self.until(lambda: seed in self.sightings.up)
            for name in others:
                await self._start(name)
            await self.until(lambda: self.sightings.complete)
            return
        raise CrowdError(
            f"{self._system.name}: not all see all after {ASSEMBLE_WAIT_S:g} s; missing are "
            f"{self.sightings.missing()}; {seed} said last:\n{self._tail(seed)}"
        )

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until the news make it true; raise `CrowdError` when a process ended by itself."""
        while not done():
            self.check()
            self._news = trio.Event()
            await self._news.wait()

    def check(self) -> None:
        """Raise `CrowdError` if a process ended that nobody struck."""
        for name in self._ended:
            raise CrowdError(f"{self._system.name}: {name} ended by itself:\n{self._tail(name)}")

    def strike(self, name: str, number: signal.Signals) -> float:
        """Send a process a signal; return when."""
        self._struck = name
        at = trio.current_time()
        self._processes[name].send_signal(number)
        return at

    async def end(self) -> None:
        """Kill all processes, those that are stopped too, and wait until they are gone."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            await process.wait()

    async def _start(self, name: str) -> None:
        seat = self._seats[name]
        seat.directory.mkdir(parents=True)
        [seed, *_] = self._seats.values()
        process = await trio.lowlevel.open_process(
            self._system.command(seat, seed),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=seat.directory,
            start_new_session=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("GCOUNTERD_")},
        )
        self._processes[name] = process
        self._readers.start_soon(self._read, name, process)

    async def _read(self, name: str, process: trio.Process) -> None:
        """Take in what a process says until its end; a line has the time it was read at."""
        assert process.stdout is not None
        rest = b""
        async for chunk in process.stdout:
            at = trio.current_time()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._hear(name, line.decode("utf-8", "replace"), at)
        if name != self._struck:
            self._ended.append(name)
        self._news.set()

    def _hear(self, name: str, line: str, at: float) -> None:
        self._tails[name].append(line)
        told = self._system.read(line)
        if told is not None:
            self.sightings.take(name, told, at)
            self._news.set()

    def _tail(self, name: str) -> str:
        return "\n".join(self._tails[name])


@asynccontextmanager
async def open_crowd(
    system: System, size: int, place: Path, ports: Callable[[], int]
) -> AsyncIterator[Crowd]:
    """Make a cluster, nothing started yet; at the end of the block kill all that runs."""
    seats = {
        name: Seat(name, place / name, ports(), ports())
        for name in (f"n{number}" for number in range(1, size + 1))
    }
    failure: CrowdError | None = None
    async with trio.open_nursery() as readers:
        crowd = Crowd(system, seats, readers)
        try:
            yield crowd
        except CrowdError as error:
            failure = error  # raised below as it is, not wrapped in the nursery's group
        finally:
            with trio.CancelScope(shield=True):
                await crowd.end()
            readers.cancel_scope.cancel()
    if failure is not None:
        raise failure


def draw_ports(first: int = PORTS.start) -> Callable[[], int]:
    """Return what gives ports, one after the other, that nobody has, for TCP and for UDP."""
    candidates = itertools.cycle([*range(first, PORTS.stop), *range(PORTS.start, first)])
    return lambda: next(filter(_is_free, itertools.islice(candidates, len(PORTS))))


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
