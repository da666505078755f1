"""Programs of others that tests and benchmarks need: started, known to be up, ended.

Theory. A program is up when it accepts connections on its port. What it prints goes to a file, so
that it can say why it is not. Programs come from Debian (`scripts/tools` installs them); where one
is not there, what needs it says so in its row instead of failing.

This module refuses to know what the programs do.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

START_WAIT_S = 20.0
END_WAIT_S = 10.0
POLL_S = 0.02
LOG_TAIL_BYTES = 2000
# Debian keeps servers here, and not every user's PATH does.
SERVER_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


class ProgramError(Exception):
    """A program did not start, ended by itself, or said something else than expected."""


def find_program(name: str) -> str | None:
    """Return the path of a program, None if it is not installed."""
    return shutil.which(name) or shutil.which(name, path=SERVER_FOLDERS)


def lacking(*names: str) -> str:
    """Say which of these programs are not installed; empty if all are."""
    missing = [name for name in names if find_program(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@asynccontextmanager
async def open_program(command: Sequence[str], port: int, log: Path) -> AsyncIterator[trio.Process]:
    """Start a program, wait until it accepts on a port of 127.0.0.1; end it with the block.

    Raises `ProgramError` with the end of its log.
    """
    path = find_program(command[0])
    if path is None:
        raise ProgramError(lacking(command[0]))
    with log.open("ab") as printed:
        process = await trio.lowlevel.open_process(
            [path, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        with trio.move_on_after(START_WAIT_S):
            while process.poll() is None and not await _accepts(port):
                await trio.sleep(POLL_S)
        if process.poll() is not None or not await _accepts(port):
            tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
            raise ProgramError(f"{command[0]} is not up on port {port}:\n{tail}")
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _accepts(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def _end(process: trio.Process) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    with trio.move_on_after(END_WAIT_S):
        await process.wait()
    if process.poll() is None:
        process.kill()
        await process.wait()
