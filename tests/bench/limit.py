"""The limit: a C program that parses RESP, appends, syncs and answers, and does nothing else.

Theory. A share of Redis says how good we are beside a program that does as much; a share of the
least that can be done says how much there is to gain at all. The program (`limit.c`) is compiled
where a compiler is found, each time: it takes half a second.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.cluster.programs import ProgramError, free_port, open_program

SOURCE = Path(__file__).with_name("limit.c")
COMPILERS = ("cc", "gcc", "clang")


def find_compiler() -> str | None:
    """Return the name of a C compiler, None if there is none."""
    return next((name for name in COMPILERS if shutil.which(name)), None)


def lacking() -> str:
    """Say why the limit cannot be measured; empty if it can."""
    return "" if find_compiler() else "no C compiler is installed"


def build(place: Path) -> Path:
    """Compile the program into a folder and return its path; raises `ProgramError`."""
    compiler = find_compiler()
    if compiler is None:
        raise ProgramError(lacking())
    program = place / "limit"
    command = [compiler, "-O2", "-o", str(program), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ProgramError(f"{compiler} says:\n{done.stderr}")
    return program


@asynccontextmanager
async def open_limit(place: Path) -> AsyncIterator[tuple[int, trio.Process]]:
    """Build and run the program on a journal in a folder; yield its port and process."""
    place.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(build(place)), str(port), str(place / "journal")]
    async with open_program(command, port, place / "log") as process:
        yield port, process
