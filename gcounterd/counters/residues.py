"""Residues on one node: a sum for each node that has forgotten columns.

Theory. What forgotten columns of one node add up to is kept as a column of its own: rows and
counts, in segments, on disk. Its id is the node id and a hash of which columns it is the sum of, at
which versions, so that an id stands for one content for ever, as with any column, and a peer can be
given it in parts like any other. The lines of `settled` say which columns those are.

Since columns of different nodes never mix in a sum, each node's residue is taken, replaced and
refused by itself: what two replicas cannot join of one node is no obstacle for the others.

This module refuses to know when to forget, and how a residue changes (`counters.turns`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import attrs
import msgpack

from gcounterd.counters.base import AnySums
from gcounterd.counters.columns import Column
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.residue import Holding
from gcounterd.counters.settled import Line, Settled
from gcounterd.errors import StorageError
from gcounterd.ids import ID_BYTES, ColumnId, Epoch, NodeId, column_id, epoch_of, node_of

# A sum has one version: its id says what it is the sum of.
VERSION = 1
_LAST_EPOCH = Epoch(b"\xff" * ID_BYTES)


@attrs.frozen
class Part:
    """The residue of one node: its id as a column, and how many positions it has."""

    id: ColumnId
    size: int


class Residues:
    """The residues that a node holds.

    warm  those in memory, while they are given out
    """

    def __init__(self) -> None:
        self._parts: dict[NodeId, Part] = {}
        self._seen: dict[ColumnId, int] = {}
        self.warm: dict[ColumnId, Column] = {}

    def get(self, node: NodeId) -> Part | None:
        """Return a node's residue, None if none of its columns is forgotten."""
        return self._parts.get(node)

    def find(self, column: ColumnId) -> Part | None:
        """Return the residue of this id, None if there is none (any more)."""
        part = self._parts.get(node_of(column))
        return part if part is not None and part.id == column else None

    def put(self, node: NodeId, part: Part | None) -> None:
        """Note that a node's residue is another one now."""
        old = self._parts.pop(node, None)
        if old is not None:
            self.warm.pop(old.id, None)
        if part is not None:
            self._parts[node] = part

    def load(self, part: Part, base: AnySums) -> None:
        """Note at a start that a node's residue is this; its segments follow, into `warm`."""
        if node_of(part.id) in self._parts:
            raise StorageError("a node has two residues")
        self._parts[node_of(part.id)] = part
        self.warm[part.id] = Column(part.id)
        self.warm[part.id].base = base

    def seen(self, column: ColumnId) -> None:
        """Let go at a start of a sum of which all segments were seen, if this is one."""
        if column in self.warm:
            self._seen[column] = self.warm.pop(column).size

    def loaded(self) -> None:
        """Check at a start that all segments were there, and let go of them."""
        for column in list(self.warm):
            self.seen(column)
        sizes, self._seen = self._seen, {}
        if any(part.size != sizes.get(part.id) for part in self._parts.values()):
            raise StorageError("a segment of a residue is missing")

    def image(self, node: NodeId, settled: Settled) -> Image:
        """Encode what a start must know of a node's residue, which it has."""
        lines = {c: line for c, line in lines_of(settled, node).items() if line.forgotten}
        return residue_image(self._parts[node], lines)

    def nodes(self) -> list[NodeId]:
        """Return the nodes that have a residue."""
        return list(self._parts)


def residue_id(node: NodeId, versions: Mapping[ColumnId, int]) -> ColumnId:
    """Name the sum of these columns of a node, at these versions."""
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for column, version in sorted(versions.items()):
        digest.update(column + version.to_bytes(8, "big"))
    return ColumnId(node + digest.digest())


def lines_of(settled: Settled, node: NodeId) -> dict[ColumnId, Line]:
    """Return the lines of a node's settled columns."""
    return settled.between(node, column_id(node, _LAST_EPOCH))


def holding_of(lines: Mapping[ColumnId, Line]) -> Holding:
    """Return what lines say: versions held as columns, and the residue map."""
    return Holding(
        {column: line.version for column, line in lines.items() if not line.forgotten},
        {column: line.version for column, line in lines.items() if line.forgotten},
    )


def residue_image(part: Part, lines: Mapping[ColumnId, Line]) -> Image:
    """Encode what a start must know of a residue beside its segments.

    image = msgpack [size, [[epoch, version, final], …]]
    """
    map_ = [[epoch_of(column), line.version, line.final] for column, line in lines.items()]
    return Image(Kind.RESIDUE, part.id, 0, msgpack.packb([part.size, map_]))


def read_residue(image: Image) -> tuple[Part, dict[ColumnId, Line]]:
    """Return a residue and its columns' lines from an image; raise `StorageError`."""
    node = node_of(ColumnId(image.column))
    try:
        size, map_ = msgpack.unpackb(image.body)
        lines = {
            column_id(node, Epoch(epoch)): Line(version, final, forgotten=True)
            for epoch, version, final in map_
        }
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StorageError(f"the image of a residue is malformed: {error}") from None
    part = Part(ColumnId(image.column), size)
    if residue_id(node, {column: line.version for column, line in lines.items()}) != part.id:
        raise StorageError("the image of a residue is another one's")
    return part, lines


def read_sum(part: Part, images: Iterable[Image], rows_max: int) -> Column:
    """Make the column of a residue from its segments' images; raise `StorageError`."""
    read = Column(part.id)
    for image in images:
        read.load(image, None, upto=part.size, rows_max=rows_max)
    if read.size != part.size:
        raise StorageError("a segment of a residue is missing")
    read.head = VERSION
    return read
