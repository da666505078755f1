"""The machine under the benchmarks: what figures depend on, and how busy it is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import attrs

from tests.cluster.programs import find_program

# Programs that take part, and the option that makes them say their version.
OTHERS = {"redis-server": "--version", "wrk": "-v", "nutcracker": "-V", "haproxy": "-v"}
VERSION = re.compile(r"\d+\.\d+[\w.+~-]*")
ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen
class Ticks:
    """What all cores have done since the machine started, in ticks of any length."""

    total: int
    idle: int

    def busy_until(self, later: Ticks) -> float:
        """Return the share of all cores' time that was used from here to `later`, 0 to 1."""
        passed = later.total - self.total
        return 1 - (later.idle - self.idle) / passed if passed else 0.0


def describe() -> dict[str, str]:
    """Return what the figures depend on, in words."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("trio", "numpy", "httptools")
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "with": f"Python {platform.python_version()}, {versions}",
        "beside": ", ".join(_describe_others()),
        "load before": show_load(),
    }


def _describe_others() -> Iterator[str]:
    """Yield the versions of what we compare with, as the programs say them."""
    for name, option in OTHERS.items():
        if (path := find_program(name)) is not None:
            done = subprocess.run([path, option], capture_output=True, text=True)
            version = VERSION.search(done.stdout + done.stderr)
            yield f"{name} {version[0] if version else 'of unknown version'}"
        else:
            yield f"no {name}"


def show_load() -> str:
    """Return the load averages."""
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def read_ticks() -> Ticks:
    """Return the ticks of all cores together."""
    return parse_ticks(Path("/proc/stat").read_text())


def parse_ticks(text: str) -> Ticks:
    """Return the ticks that `/proc/stat` says; waiting for a disk is idle."""
    user, nice, system, idle, waiting, *others = map(int, text.splitlines()[0].split()[1:9])
    return Ticks(user + nice + system + idle + waiting + sum(others), idle + waiting)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
