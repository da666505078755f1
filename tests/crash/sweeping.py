"""Sweeps: the n-th call of a kind fails, for every n: `python -m tests.crash.sweeping FOLDER`.

Theory. As SQLite tests itself: one life is lived again and again, and each time another call to
the system fails, once or from then on, with an error of the disk or because it is full, whole or
half done, until a life passes without a failure. After each, the directory is opened on a sound
disk: it must start, and its values lie between what was acknowledged and what was not certainly
refused.

This runs in a process that is recorded, since the recorder is what lets calls fail.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import attrs

from gcounterd.daemon.boot import boot
from gcounterd.errors import GCounterError
from tests.crash.desk import Tally, live
from tests.crash.disk import Disk
from tests.crash.promises import Found
from tests.crash.recording import program, read_log
from tests.crash.recovery import Recoverer, Refused, look, part, wishes
from tests.crash.small import hush, shrink

# A life has some hundreds of calls of a kind; one that goes on for ever is a mistake.
CALLS_MAX = 5000
# Power cuts after each sync that failed.
CUTS = 12
KINDS = {
    "w": "write",
    "s": "sync",
    "o": "open",
    "n": "rename",
    "u": "unlink",
    "t": "truncate",
    "r": "read",
    "m": "mkdir",
}


@attrs.frozen
class Fault:
    """How a call fails. `partial`: half of a write is done; `lasting`: all later ones fail too."""

    kind: str
    error: int
    partial: bool = False
    lasting: bool = False

    @property
    def name(self) -> str:
        """Say it in words."""
        words = [KINDS[self.kind], errno.errorcode.get(self.error, "short")]
        words += ["half done"] * self.partial + ["from then on"] * self.lasting
        return " ".join(words)


FAULTS = (
    Fault("w", errno.EIO),
    Fault("w", errno.EIO, partial=True),
    Fault("w", errno.EIO, lasting=True),
    Fault("w", errno.ENOSPC),
    Fault("w", errno.ENOSPC, partial=True),
    Fault("w", errno.ENOSPC, lasting=True),
    Fault("w", 0, partial=True),
    Fault("s", errno.EIO),
    Fault("s", errno.EIO, lasting=True),
    Fault("o", errno.EIO),
    Fault("o", errno.EMFILE),
    Fault("o", errno.ENOSPC),
    Fault("n", errno.EIO),
    Fault("n", errno.ENOSPC),
    Fault("u", errno.EIO),
    Fault("t", errno.EIO),
    Fault("r", errno.EIO),
    Fault("m", errno.ENOSPC),
)


class Sweeper:
    """Lives lives in a directory in which calls can be made to fail."""

    def __init__(self, root: Path, log: Path) -> None:
        self._root = root
        self._log = log
        self._recoverer = Recoverer(log.parent)
        self._recorder = ctypes.CDLL(None)
        self._recorder.crash_calls.restype = ctypes.c_long

    def sweep(self, fault: Fault, first: int, stride: int) -> Iterator[tuple[int, list[str]]]:
        """Yield, for every n-th call that failed, what was wrong afterwards."""
        for number in range(first, CALLS_MAX, stride):
            directory, tally = self._begin(), Tally()
            fired = self._live(fault, number, directory, tally)
            problems = self._judge(directory, tally)
            if not fired:
                assert not tally.errors, tally.errors
                return
            yield number, problems

    def forget(self, number: int, cuts: int) -> list[str] | None:
        """Let the n-th sync fail, live on, and cut the power: what failed is not on the disk.

        The second life reads what the first one wrote out of the cache, where it stays although
        the disk never had it. Return what is wrong, None if there is no such sync.
        """
        directory, tally = self._begin(), Tally()
        if not self._live(Fault("s", errno.EIO), number, directory, tally):
            return None
        live(directory, tally)
        disk, told = Disk([directory.name]), list(tally.strange)
        for call in read_log(self._log):
            disk.take(call)
        rng = Random(number)
        for _ in range(cuts):
            found = self._recoverer.recover(part(disk.cut(rng), f"{directory.name}/data"))
            if isinstance(found, Refused):
                told.append(f"does not start afterwards: {found}")
            else:
                told += tally.fails(dict(found.values))
        return told

    def _begin(self) -> Path:
        """Return a new directory, from which on calls are recorded."""
        directory = self._root / "life"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        os.truncate(self._log, 0)
        return directory

    def _live(self, fault: Fault, number: int, directory: Path, tally: Tally) -> bool:
        """Live a life in which a call fails; say whether there was such a call."""
        kind = ord(fault.kind)
        at = ctypes.c_long(number)
        self._recorder.crash_arm(kind, at, fault.error, fault.partial, fault.lasting)
        try:
            live(directory, tally)
        except* Exception as group:  # not one of the daemon's own: it would end in a traceback
            tally.strange.append("".join(traceback.format_exception(group)[-6:]))
        finally:
            calls = self._recorder.crash_calls(kind)
            self._recorder.crash_arm(0, ctypes.c_long(0), 0, 0, 0)
        return bool(calls >= number)

    def _judge(self, directory: Path, tally: Tally) -> list[str]:
        try:
            booted = boot(wishes(directory / "data"))
        except GCounterError as error:
            return [*tally.strange, f"does not start afterwards: {error}"]
        found: Found = look(booted)
        booted.store.close()
        told = [*tally.strange, *tally.fails(dict(found.values))]
        if not found.recounted:
            told.append("totals are not the sum of columns and base")
        return told


def main(root: Path, log: Path, stride: int) -> None:
    """Sweep all faults and print, a line of JSON each, how many there were and what was wrong."""
    shrink()
    hush()
    sweeper = Sweeper(root, log)
    for at, fault in enumerate(FAULTS):
        number, problems = 0, []
        for nth, told in sweeper.sweep(fault, 1 + at % stride, stride):
            number += 1
            problems += [f"{fault.name}, number {nth}: {text}" for text in told]
        _tell(fault.name, number, problems)
    number, problems = 0, []
    for nth in range(1, CALLS_MAX, stride):
        forgotten = sweeper.forget(nth, CUTS)
        if forgotten is None:
            break
        number += 1
        problems += [f"forgotten, number {nth}: {text}" for text in forgotten]
    _tell("sync EIO, another life, a power cut", number, problems)


def _tell(what: str, number: int, problems: list[str]) -> None:
    print(json.dumps({"fault": what, "failed": number, "problems": problems}), flush=True)


def sweep(library: Path, folder: Path, stride: int) -> list[dict[str, Any]]:
    """Sweep in a process of its own; return its lines. Every `stride`-th call fails in its turn."""
    root, log = folder / "swept", folder / "swept.log"
    root.mkdir()
    command = [*program(library, root, log), sys.executable, "-m", __name__, str(root), str(log)]
    done = subprocess.run([*command, str(stride)], stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
