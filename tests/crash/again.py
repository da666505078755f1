"""Power cuts while a daemon recovers from a power cut: `python -m tests.crash.again FOLDER`.

Theory. Recovery writes: it makes the store if there is none, copies the log back, notes that the
store is open, and draws an epoch. So images that one cut left are recovered by a process that is
recorded, one after the other, each in a directory of its own, and cut again at every call. What
had been promised before the first cut is still promised.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from gcounterd.daemon.boot import boot
from tests.crash.disk import Disk
from tests.crash.judging import Judge, Sample, Verdict
from tests.crash.recording import Call, program, read_log
from tests.crash.recovery import Recoverer, part, wishes, write
from tests.crash.small import hush, shrink

# One process recovers so many, which bounds the room that they take.
BATCH = 100
# Kinds of calls that say a path.
_NAMED = "cmdnul"


def cut_again(
    samples: Sequence[Sample], judge: Judge, recoverer: Recoverer, library: Path, folder: Path
) -> Verdict:
    """Recover samples, cut at every call of that, and judge."""
    verdict, rng, before = Verdict(), Random(len(samples)), recoverer.number
    for at in range(0, len(samples), BATCH):
        batch = samples[at : at + BATCH]
        root, log = folder / f"again-{at}", folder / f"again-{at}.log"
        disks = _Disks(batch, root)
        command = [*program(library, root, log), sys.executable, "-m", "tests.crash.again"]
        subprocess.run([*command, str(root)], check=True)
        for call in read_log(log):
            number = disks.take(call)
            verdict.points += 1
            verdict.cuts += 1
            image = part(disks.each[number].cut(rng), f"{number}/data")
            found = recoverer.recover(image)
            told = judge.judge_one(found, batch[number].promises, verdict, lying=False)
            verdict.problems += [f"cut again, {at + number}: {text}" for text in told]
    verdict.images = recoverer.number - before
    return verdict


class _Disks:
    """Models of the disks of many directories, below one that is recorded."""

    def __init__(self, samples: Sequence[Sample], root: Path) -> None:
        self.each: list[Disk] = []
        self._owners: dict[int, int] = {}
        for number, sample in enumerate(samples):
            (root / str(number)).mkdir(parents=True)
            write(sample.image, root / str(number) / "data")
            disk = Disk([str(number)])
            for name, body in [("", None), *sample.image.items()]:
                path = root / str(number) / "data" / name
                inode = path.stat().st_ino
                disk.preload(str(path.relative_to(root)), inode, body)
                self._owners[inode] = number
            self.each.append(disk)

    def take(self, call: Call) -> int:
        """Take a call in; return which directory it was in."""
        if call.kind in _NAMED:
            number = int(call.name.split("/")[0])
            if call.kind == "c":
                self._owners[call.inode] = number
        else:
            number = self._owners[call.inode]
        self.each[number].take(call)
        return number


def main(root: Path) -> None:
    """Recover each image below a directory, as a start does."""
    shrink()
    hush()
    for number in range(len(list(root.iterdir()))):
        booted = boot(wishes(root / str(number) / "data"))
        booted.store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
