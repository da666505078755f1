"""gcounterd in the comparison of failure detection: a daemon, its events as JSON on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gcounterd import __version__
from tests.bench.crowd import Seat, System
from tests.bench.sightings import Sign, Told

DAEMON = str(Path(sys.executable).parent / "gcounterd")
SIGNS = {
    "listening": Sign.UP,
    "joined": Sign.ALIVE,
    "back": Sign.ALIVE,
    "dead": Sign.DEAD,
}


def command(seat: Seat, seed: Seat) -> list[str]:
    """Return the command of a node; the seed joins nobody."""
    join = ["--join", f"127.0.0.1:{seed.port}"] if seat is not seed else []
    return [
        *(DAEMON, "run", "--name", seat.name, "--cluster", "detection", "--log-format", "json"),
        *("--data-dir", str(seat.directory / "data")),
        *("--peer", f"127.0.0.1:{seat.port}", "--http", f"127.0.0.1:{seat.other_port}", *join),
        *("--resp", "off"),
    ]


def read(line: str) -> Told | None:
    """Return what a log line says."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    sign = SIGNS.get(str(said.get("event"))) if isinstance(said, dict) else None
    return Told(sign, said.get("member", "")) if sign else None


OURS = System("ours", lambda: f"gcounterd {__version__}", command, read)
