"""Somebody who follows a document: pastes its commands one after the other and compares.

Theory. The reader works in a checkout of links: a folder of its own whose entries lead to this
checkout's, so that every command runs exactly as it is written while `.cluster`, backups and
whatever else it leaves is thrown away. Only ports differ. A document says 77nn, as the defaults do;
the reader has a free hundred of ports and writes its number instead, in commands, and back, in
output. So these tests run beside a cluster that somebody has up, and beside each other.

What is shown as printed must be printed. A block that only looks is run until it is, since
replication takes a moment and a person would look again; one that changes something is run once.

This module refuses to know which documents there are.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs
import trio

from tests.docs.documents import ANYTHING, Block, pattern_of

ROOT = Path(__file__).resolve().parents[2]
# How long a block may take: the longest is the replay of a log, some ten seconds.
BLOCK_WAIT_S = 120.0
# How long a reader looks again before the document is wrong: far above any replication.
LOOK_WAIT_S = 30.0
LOOK_POLL_S = 0.1
# Ctrl-C to the end of everything.
END_WAIT_S = 30.0
# Hundreds to draw from: below those that systems give to outgoing connections.
HUNDRED_MIN, HUNDRED_MAX = 110, 319
HUNDRED_TRIES_MAX = 50
# Of a hundred, what documents use: peers, RESP (which they show as 73nn), what fronts peers, HTTP.
PORTS = (*range(17), *range(17, 38), *range(51, 67), *range(77, 98))
RESP_OFFSET = 60
CHUNK_BYTES = 65536
_UP, _STOPS = "scripts/cluster", "scripts/cluster down"
# Where Debian keeps servers, which not every PATH names.
SBIN = "/usr/sbin"
_FOREIGN = ("haproxy", "nutcracker")
_OWN = (".venv", ".git", ".cluster", "scripts")


class ReadingError(AssertionError):
    """The document is not true: where, what was shown, what was seen."""


@attrs.frozen
class Place:
    """A checkout of links, and a hundred of ports."""

    folder: Path
    hundred: int

    def to_own(self, text: str) -> str:
        """Write our ports for those of documents."""
        own = re.sub(r"\b77(\d\d)\b", rf"{self.hundred}\1", text)
        own = re.sub(r"\b73([789]\d)\b", lambda m: self._resp(int(m[1]) - RESP_OFFSET), own)
        bases = f"--http-base {self.hundred}81 --peer-base {self.hundred}01"
        bases += f" --resp-base {self._resp(81 - RESP_OFFSET)}"
        return re.sub(r"(scripts/cluster\b.*?\bup)\b", rf"\1 {bases}", own)

    def to_shown(self, text: str) -> str:
        """Write the ports of documents for ours."""
        return re.sub(rf"\b{self.hundred}(\d\d)\b", _show_port, text)

    def _resp(self, place: int) -> str:
        return f"{self.hundred}{place:02}"

    def environment(self) -> dict[str, str]:
        """Return what a reader's shell has: no settings of ours, programs by their bare names."""
        kept = {name: value for name, value in os.environ.items() if "GCOUNTER" not in name}
        return kept | {
            "PATH": os.pathsep.join([str(self.folder / ".venv/bin"), os.environ["PATH"], SBIN]),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "CURL_HOME": str(self.folder / "home"),
            "no_proxy": "127.0.0.1,localhost",
        }


def _show_port(found: re.Match[str]) -> str:
    place = int(found[1])
    return f"73{place + RESP_OFFSET}" if 17 <= place < 38 else f"77{found[1]}"


def make_place(folder: Path) -> Place:
    """Fill an empty folder with links to this checkout and to the environment we run in."""
    for entry in ROOT.iterdir():
        if entry.name not in _OWN:
            (folder / entry.name).symlink_to(entry)
    # Copied, since the scripts find the checkout from where they are themselves.
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    venv = folder / ".venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".installed":
            (venv / entry.name).symlink_to(entry)
    # What scripts/setup would write; else it would install all over again.
    settings = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    (venv / ".installed").write_text(f"{settings} {folder}\n\n")
    home = folder / "home"
    home.mkdir()
    # On a terminal curl draws no progress when it prints; here there is no terminal.
    (home / ".curlrc").write_text("silent\nshow-error\n")
    return Place(folder, _free_hundred())


def _free_hundred() -> int:
    # Drawn anew by each process, so that two runs of the tests do not race for the same one.
    draws = random.SystemRandom()
    for _ in range(HUNDRED_TRIES_MAX):
        hundred = draws.randint(HUNDRED_MIN, HUNDRED_MAX)
        if all(_is_free(hundred * 100 + port) for port in PORTS):
            return hundred
    raise ReadingError(f"no free ports found in {HUNDRED_TRIES_MAX} tries")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Terminal:
    """One process group in the foreground of one terminal, and what it has printed."""

    def __init__(self, process: trio.Process) -> None:
        self.printed = ""
        self._ended = False
        self._process = process
        self._news = trio.Event()

    @classmethod
    async def open(cls, place: Place, commands: str) -> Terminal:
        """Run commands by a bash; any that fails fails the block."""
        process = await trio.lowlevel.open_process(
            ["bash", "-euo", "pipefail", "-c", commands],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=place.folder,
            env=place.environment(),
            start_new_session=True,
        )
        return cls(process)

    async def read(self) -> None:
        """Gather what is printed until the end of it."""
        assert self._process.stdout is not None
        async with self._process.stdout:
            async for chunk in self._process.stdout:
                self.printed += chunk.decode("utf-8", "replace")
                self._news.set()
                self._news = trio.Event()
        await self._process.wait()
        self._ended = True
        self._news.set()

    async def until(self, wanted: re.Pattern[str], place: Place) -> bool:
        """Wait until something like this has been printed; False if the process ended before."""
        while not wanted.search(place.to_shown(self.printed)):
            if self._ended:
                return False
            await self._news.wait()
        return True

    async def end(self, number: int) -> int:
        """Signal the group (0: only wait), wait, return the exit status."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)
        return await self._process.wait()


class Reader:
    """Follows one document at a place. Made by `open_reader`."""

    def __init__(self, place: Place, document: str, nursery: trio.Nursery) -> None:
        self.place = place
        self._document = document
        self._nursery = nursery
        self.staying: list[tuple[Block, Terminal]] = []

    async def follow(self, block: Block) -> None:
        """Run a block and compare; raises `ReadingError`."""
        if block.stays:
            await self._start(block)
        elif block.only_looks:
            await self._look(block)
        else:
            status, printed = await self._run(block)
            if status != 0:
                raise self._error(block, printed, f"exit status {status}")
            if block.output is not None and not pattern_of(block.output).fullmatch(printed):
                raise self._error(block, printed, "prints something else")
        if _STOPS in block.commands:
            # It ends by itself now; Ctrl-C would only meet it on its way out.
            for staying in [each for each in self.staying if each[0].commands.startswith(_UP)]:
                await self._see_end(*staying, 0)

    async def _start(self, block: Block) -> None:
        shown = block.output
        if shown is None and block.commands.startswith(_UP):
            shown = "ready; Ctrl-C stops it"
        if shown is None:
            raise self._error(
                block, "", "stays in the foreground: show what it prints when it is up"
            )
        terminal = await Terminal.open(self.place, self.place.to_own(block.commands))
        self.staying.append((block, terminal))
        self._nursery.start_soon(terminal.read)
        seen = False
        with trio.move_on_after(BLOCK_WAIT_S):
            seen = await terminal.until(pattern_of(shown), self.place)
            if seen and block.commands.startswith(_UP):
                seen = await terminal.until(pattern_of("ready; Ctrl-C stops it"), self.place)
        if not seen:
            raise self._error(block, terminal.printed, "does not come up as shown")

    async def _look(self, block: Block) -> None:
        wanted = pattern_of(ANYTHING if block.output is None else block.output)
        printed = ""
        with trio.move_on_after(LOOK_WAIT_S):
            while True:
                status, printed = await self._run(block)
                if status == 0 and wanted.fullmatch(printed):
                    return
                await trio.sleep(LOOK_POLL_S)
        raise self._error(block, printed, f"not as shown within {LOOK_WAIT_S:g} s")

    async def _run(self, block: Block) -> tuple[int, str]:
        terminal = await Terminal.open(self.place, self.place.to_own(block.commands))
        try:
            with trio.move_on_after(BLOCK_WAIT_S) as waited:
                await terminal.read()
            if waited.cancelled_caught:
                raise self._error(block, terminal.printed, f"not done in {BLOCK_WAIT_S:g} s")
        finally:
            # Nothing if it has ended.
            with trio.CancelScope(shield=True):
                status = await terminal.end(signal.SIGKILL)
        return status, self.place.to_shown(terminal.printed)

    async def leave(self) -> None:
        """Press Ctrl-C wherever something still runs; raises unless all end with status 0."""
        for block, terminal in reversed(self.staying):
            await self._see_end(block, terminal, signal.SIGINT)

    async def _see_end(self, block: Block, terminal: Terminal, number: int) -> None:
        how = "on Ctrl-C" if number else "when told to stop"
        with trio.move_on_after(END_WAIT_S) as waited:
            status = await terminal.end(number)
        if waited.cancelled_caught:
            raise self._error(block, terminal.printed, f"does not end {how}")
        # Others' programs say what they like then; that of ours is a promise.
        if status != 0 and not block.commands.startswith(_FOREIGN):
            raise self._error(block, terminal.printed, f"exit status {status} {how}")

    def _error(self, block: Block, printed: str, what: str) -> ReadingError:
        shown = block.output if block.output is not None else "(nothing)\n"
        told = f"{self._document}:{block.line}: {what}\n--- commands\n{block.commands}\n"
        return ReadingError(f"{told}--- shown\n{shown}--- printed\n{printed}")


@asynccontextmanager
async def open_reader(folder: Path, document: str) -> AsyncIterator[Reader]:
    """Make a place in an empty folder and a reader in it; kill whatever is left at the end."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        reader = Reader(make_place(folder), document, nursery)
        try:
            yield reader
            await reader.leave()
        except Exception as error:
            failure = error  # raised below as it is, not wrapped in the nursery's group
        finally:
            with trio.CancelScope(shield=True):
                for _, terminal in reader.staying:
                    await _end_surely(terminal)
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _end_surely(terminal: Terminal) -> None:
    """Ctrl-C, so that a cluster takes its daemons along; KILL if that is not enough."""
    with trio.move_on_after(END_WAIT_S):
        await terminal.end(signal.SIGINT)
    await terminal.end(signal.SIGKILL)
