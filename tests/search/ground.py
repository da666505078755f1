"""The ground that hosts stand on: names, digits, disks, dice.

Theory. A disk is immutable rows and images, so a state of it costs nothing to keep and an older
copy is made by leaving rows out. Increments are digits: the third one at the second host adds
10^5 and nothing else ever does, so a number tells which increments are in it, and a double cannot
hide a loss. Lives of a host are numbered, and its epochs, ids and nonces follow from that: a
state says the same however it was reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import attrs

from gcounterd.counters.images import Image, Kind
from gcounterd.ids import ColumnId, Epoch, NodeId, epoch_of, node_of
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.storage.recovery import Restored, restore, roster_images

HOSTS = "abc"
KEYS = (b"x", b"y")
# Increments of one host: its digits.
INCREMENTS_MAX = 3
MAX_COUNTERS = 8

# What a column holds of each key.
Content = tuple[int, ...]
# One column: host, life, head or version, content.
Held = tuple[int, int, int, Content]
# What is known of a settled one: host, life, version, final.
Line = tuple[int, int, int, int]


class Chooser(Random):
    """The node's dice: it always draws what the schedule says.

    pick  which of several is chosen, by its number
    """

    pick = 0

    def random(self) -> float:
        """Return the middle."""
        return 0.5

    def uniform(self, a: float, b: float) -> float:
        """Return the middle."""
        return (a + b) / 2

    def randint(self, a: int, b: int) -> int:
        """Return the end."""
        return b

    def choice(self, seq: Any) -> Any:
        """Return what is picked."""
        return seq[self.pick % len(seq)]

    def sample(self, population: Any, k: int, *, counts: Any = None) -> list[Any]:
        """Return the first ones."""
        return list(population)[:k]

    def shuffle(self, x: Any) -> None:
        """Leave the order as it is."""


CHOOSER = Chooser(0)


def _wall_ms() -> int:
    return 0


def node_id(index: int) -> NodeId:
    """Return the node id of a host."""
    return NodeId(bytes([index + 1]) * 16)


def epoch_id(life: int) -> Epoch:
    """Return the epoch of a host's life; later lives are above earlier ones."""
    return Epoch((life << 80 | life).to_bytes(16, "big"))


def place_of(column: ColumnId) -> tuple[int, int]:
    """Return host and life of a column."""
    return node_of(column)[0] - 1, int.from_bytes(epoch_of(column)[:6], "big")


@attrs.frozen
class Disk:
    """What is durable: rows by number, images in order, up to where rows are trimmed."""

    rows: tuple[tuple[int, bytes], ...] = ()
    images: tuple[Image, ...] = ()
    trimmed: int = 0

    @property
    def last(self) -> int:
        """Return the number of the newest row."""
        return self.rows[-1][0] if self.rows else self.trimmed

    def with_row(self, body: bytes) -> Disk:
        """Return this with one more row."""
        return attrs.evolve(self, rows=(*self.rows, (self.last + 1, body)))

    def with_images(
        self, images: Sequence[Image], upto: int | None, gone: Sequence[ColumnId] = ()
    ) -> Disk:
        """Return this with images replaced, and without those of the columns in `gone`.

        With `upto`, rows up to there are trimmed.
        """
        kept = {_key(image): image for image in (*self.images, *images) if image.column not in gone}
        rows, trimmed = self.rows, self.trimmed
        if upto is not None:
            rows, trimmed = tuple(row for row in rows if row[0] > upto), upto
        return Disk(rows, tuple(kept[key] for key in sorted(kept)), trimmed)

    def without_last(self, rows: int) -> Disk:
        """Return an older copy: without the newest rows."""
        return attrs.evolve(self, rows=self.rows[: len(self.rows) - rows])

    def read_column(self, column: ColumnId) -> list[Image]:
        """Return the images of a column's segments, in order."""
        return [
            image for image in self.images if image.kind is Kind.SEGMENT and image.column == column
        ]

    def recover(self, own: ColumnId) -> Restored:
        """Rebuild the state of a process that will write column `own`."""
        return restore(own, MAX_COUNTERS, self.images, self.rows)


def _key(image: Image) -> tuple[str, bytes, int]:
    return image.kind.value, image.column, image.number


def first_disk() -> Disk:
    """Return the disk of a host that has been a member for long and never counted."""
    roster = Roster()
    roster.merge(
        tuple(
            Entry(node_id(index), epoch_id(0), 0, name, f"{name}:7700", State.ACTIVE)
            for index, name in enumerate(HOSTS)
        )
    )
    return Disk(images=tuple(sorted(roster_images(roster), key=_key)))


@attrs.frozen
class Kept:
    """What of a host outlives its processes, and what the search knows of it.

    life      number of the last epoch that was drawn
    crashes, rewinds, checkpoints    how often a process ended, an older disk was put in place,
              a checkpoint was begun
    exited    the exit status of a process that ended by itself, last of all
    added     the key of each increment, by number
    written   content of every version of its columns, by life and version
    shown     the highest values that readers have seen and that its disk must give back
    """

    disk: Disk
    life: int = 0
    crashes: int = 0
    rewinds: int = 0
    checkpoints: int = 0
    exited: int | None = None
    added: tuple[int, ...] = ()
    written: tuple[tuple[tuple[int, int], Content], ...] = ()
    shown: Content = (0,) * len(KEYS)


def config_of(index: int, life: int) -> Config:
    """Return who a process is; whatever it does now and then is due whenever it wakes."""
    name = HOSTS[index]
    return Config(
        "search",
        node_id(index),
        name,
        epoch_id(life),
        bytes([index + 1, life]) + b"search",
        f"{name}:7700",
        wall_ms=_wall_ms,
        digest_every=0.0,
        hash_every=0.0,
        want_patience=0.1,
    )
