"""kinship in the comparison of failure detection: a small program around its event stream.

It is installed into an environment of its own, `.bench/` in the checkout, since the project does
not depend on it.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from pathlib import Path

from tests.bench.crowd import Seat, System, Unavailable
from tests.bench.machine import ROOT
from tests.bench.sightings import Sign, Told

VERSION = "0.4.0"
HOME = ROOT / ".bench" / f"kinship-{VERSION}"
PYTHON = HOME / "bin" / "python"
PROGRAM = Path(__file__).with_name("kinship_node.py")
INSTALL_WAIT_S = 120.0
# For this run's clusters: its default is to encrypt.
KEY = base64.b64encode(secrets.token_bytes(32)).decode()
SIGNS = {"up": Sign.UP, "alive": Sign.ALIVE, "dead": Sign.DEAD}


def prepare() -> str:
    """Install it unless that was done before; return the version."""
    try:
        if not PYTHON.exists():
            _run(sys.executable, "-m", "venv", str(HOME))
        if subprocess.run([PYTHON, "-I", "-c", "import kinship"], capture_output=True).returncode:
            _run(str(PYTHON), "-I", "-m", "pip", "install", "--quiet", f"kinship=={VERSION}")
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise Unavailable(
            f"kinship cannot be installed: {' '.join(said.split())[-200:]}"
        ) from error
    return f"kinship {VERSION}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_WAIT_S)


def command(seat: Seat, seed: Seat) -> list[str]:
    """Return the command of a member."""
    seeds = [f"127.0.0.1:{seed.port}"] if seat is not seed else []
    own = [str(PYTHON), "-I", str(PROGRAM), seat.name, f"127.0.0.1:{seat.port}", KEY]
    return own + seeds


def read(line: str) -> Told | None:
    """Return what a line of the program says."""
    word, _, member = line.partition(" ")
    sign = SIGNS.get(word)
    return Told(sign, member) if sign else None


KINSHIP = System("kinship", prepare, command, read)
