"""Judging a recording: cut it at many points, recover what is left, and compare with the promises.

Theory. The log is played call by call into a model of a disk; between two calls anything that was
not synced may be lost. What an honest disk leaves must start, without a word of damage, and keep
every promise. What a lying one leaves may be refused, or lack what it lied about; it never shows
what was not asked for, half a group, or other content for a version.

This module refuses to know stories.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
from random import Random

import attrs

from gcounterd.ids import ColumnId
from tests.crash.disk import Disk
from tests.crash.promises import Found, Promises
from tests.crash.recording import Call
from tests.crash.recovery import Contents, Recoverer, Refused, part

# Of so many cuts one is cut again while the daemon recovers from it (`again`).
SAMPLED_EACH = 50
PROBLEMS_MAX = 20
# And after one of so many the backups are looked at: they are large, and change no more.
BACKUPS_EACH = 7


@attrs.define
class Verdict:
    """What came of a recording's images.

    points    calls between which it was cut
    cuts      power cuts, some of which left the same
    images    different images that were recovered
    refused   how many of them did not start; all of them were left by a lying disk, or are problems
    lied      syncs that were not carried out
    backups   how often a backup was looked at
    problems  sentences, each with what repeats it
    """

    points: int = 0
    cuts: int = 0
    images: int = 0
    refused: int = 0
    lied: int = 0
    backups: int = 0
    problems: list[str] = attrs.field(factory=list)

    def add(self, other: Verdict) -> None:
        """Add another verdict."""
        for name in ("points", "cuts", "images", "refused", "lied", "backups"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems


@attrs.frozen
class Sample:
    """The files of a data directory after a power cut, and what had been promised."""

    image: Contents
    promises: Promises


@attrs.frozen
class Recording:
    """Calls of one story, with the directories that were there before."""

    calls: Sequence[Call]
    folders: tuple[str, ...]


class Judge:
    """Judges the images of one node in one recording."""

    def __init__(self, recording: Recording, node: str, recoverer: Recoverer, seed: int) -> None:
        self._recording = recording
        self._node = node
        self._recoverer = recoverer
        self._seed = seed
        self._contents: dict[tuple[ColumnId, int], bytes] = {}
        self.samples: list[Sample] = []

    def run(self, cuts: int, *, lies: float = 0.0, seconds: float = 1e9) -> Verdict:
        """Cut about so many times, evenly, but for no longer than some seconds."""
        end = time.monotonic() + seconds
        rng = Random(f"{self._seed} {self._node} {lies}")
        disk = Disk(self._recording.folders, lies, Random(self._seed))
        promises = Promises(self._node)
        verdict = Verdict()
        before = self._recoverer.number
        each, owed = cuts / max(1, self._writes()), 0.0
        for number, call in enumerate(self._recording.calls):
            if call.kind == "k":
                promises.note(call.first)
                continue
            disk.take(call)
            verdict.points += 1
            owed += each
            while owed >= 1:
                owed -= 1
                verdict.cuts += 1
                told = self._judge(disk.cut(rng), promises, verdict, lying=lies > 0)
                where = f"{self._node}, seed {self._seed}, lies {lies}, call {number}"
                verdict.problems += [f"{where}: {text}" for text in told]
                if verdict.cuts % SAMPLED_EACH == 0 and not lies:
                    image = part(disk.cut(rng), f"{self._node}/data")
                    self.samples.append(Sample(image, copy.deepcopy(promises)))
            if time.monotonic() > end or len(verdict.problems) > PROBLEMS_MAX:
                break
        verdict.images = self._recoverer.number - before
        verdict.lied = disk.lied
        return verdict

    def _writes(self) -> int:
        return sum(call.kind != "k" for call in self._recording.calls)

    def _judge(
        self, image: Contents, promises: Promises, verdict: Verdict, *, lying: bool
    ) -> Iterable[str]:
        found = self._recoverer.recover(part(image, f"{self._node}/data"))
        yield from self.judge_one(found, promises, verdict, lying=lying)
        if not lying and verdict.cuts % BACKUPS_EACH == 0:
            yield from self._judge_backups(image, promises, verdict)

    def judge_one(
        self, found: Found | Refused, promises: Promises, verdict: Verdict, *, lying: bool
    ) -> Iterable[str]:
        """Yield a sentence for each thing that is wrong with what a start found."""
        if isinstance(found, Refused):
            verdict.refused += 1
            if not lying:
                yield f"refused: {found}"
            return
        yield from promises.impossible(found) if lying else promises.broken(found)
        for column, content in found.columns.items():
            if self._contents.setdefault(column, content) != content:
                yield f"version {column[1]} of column {column[0].hex()} has two contents"

    def _judge_backups(
        self, image: Contents, promises: Promises, verdict: Verdict
    ) -> Iterable[str]:
        for path, values in promises.backups.items():
            body = image.get(path)
            if body is None:
                yield f"the backup {path} is lost"
                continue
            verdict.backups += 1
            found = self._recoverer.recover_backup(body)
            then = Promises(self._node, tried=promises.tried, seen=values)
            yield from self.judge_one(found, then, verdict, lying=False)
