"""A trial: one mutant in a copy of the tree, against the tests that must find it.

Theory. The tree itself is never touched. A copy takes the compiled files along, whose times fit, so
only what is changed is compiled again. A finder that runs into its time limit has found nothing: a
test that hangs is no proof. Nor is any exit status but the one that means "a test failed": a mutant
that cannot be imported would be found by everything.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.mutants.mutant import Finder, Mutant

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("gcounterd", "tests", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns(".mypy_cache", ".hypothesis", "data")
_FAILED = re.compile(r"^FAILED (?:tests/)?(.+)$", re.MULTILINE)


@attrs.frozen
class Verdict:
    """What came of one finder.

    outcome  found, survived, late (not in time) or broken (no test could run)
    by       the test that failed, or what was printed last
    """

    outcome: str
    by: str
    seconds: float


@contextlib.contextmanager
def copy_tree(root: Path) -> Iterator[Path]:
    """Copy what tests need into a temporary directory, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="gcounterd-mutant-") as folder:
        for name in COPIED:
            source, target = root / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            else:
                shutil.copy2(source, target)
        yield Path(folder)


def try_mutant(mutant: Mutant, seconds: float, root: Path = ROOT) -> list[Verdict]:
    """Return what each finder of a mutant says."""
    with copy_tree(root) as folder:
        mutant.apply(folder)
        return [run_finder(finder, folder, seconds) for finder in mutant.finders]


def run_finder(finder: Finder, folder: Path, seconds: float) -> Verdict:
    """Run a finder in a copy of the tree, for so many seconds at most."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *finder.arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Verdict("late", finder.says, seconds)
    return judge(finder, process.returncode, output, time.monotonic() - started)


def judge(finder: Finder, status: int, output: str, seconds: float) -> Verdict:
    """Return what an exit status and an output mean."""
    if status == 0:
        return Verdict("survived", finder.says, seconds)
    failed = _FAILED.search(output)
    if status == finder.found and failed is not None:
        return Verdict("found", failed[1].partition(" - ")[0], seconds)
    return Verdict("broken", (output.strip().splitlines() or ["no output"])[-1], seconds)
