"""The ledger: what really happened, kept beside the nodes and never shown to them.

Theory. A checker must not believe the state it checks, so the ledger is fed only by what clients
did and by what writers cut: increments attempted, the content of every version of every column
as its one writer made it, and the versions that were answered. From these follow the bounds of
every value at every moment, and the exact value of every counter at every set of heads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.ids import ColumnId, NodeId, node_of


@attrs.define(eq=False)
class Written:
    """One column as its writer wrote it.

    names         by position; places is the other way round
    changes       version - 1 → the positions changed in it
    history       position → versions and counts, both ascending
    acknowledged  the newest version whose increments were answered and of which a copy survives
    """

    names: list[bytes] = attrs.Factory(list)
    places: dict[bytes, int] = attrs.Factory(dict)
    changes: list[list[int]] = attrs.Factory(list)
    history: list[tuple[list[int], list[int]]] = attrs.Factory(list)
    acknowledged: int = 0

    @property
    def head(self) -> int:
        """Return the newest version that was cut."""
        return len(self.changes)

    def add(self, batch: Batch) -> None:
        """Note a version as it was cut."""
        assert batch.since == self.head, "a writer's versions follow each other"
        assert batch.version == self.head + 1
        changed: list[int] = []
        for block in batch.blocks:  # one, but of an import
            assert block.first == len(self.names)
            for place, name in enumerate(block.names, block.first):
                self.places[name] = place
            self.names += block.names
            self.history += [([], []) for _ in block.names]
            positions = block.positions.tolist()
            for position, count in zip(positions, block.counts.tolist(), strict=True):
                versions, counts = self.history[position]
                versions.append(batch.version)
                counts.append(count)
            changed += positions
        self.changes.append(changed)

    def take_back(self, version: int) -> None:
        """Forget the newest version: it was refused for certain and nobody saw it."""
        assert version == self.head
        for position in self.changes.pop():
            versions, counts = self.history[position]
            versions.pop()
            counts.pop()
        while self.history and not self.history[-1][0]:
            self.history.pop()
            del self.places[self.names.pop()]

    def count(self, position: int, version: int) -> int:
        """Return the count at a position as of a version."""
        versions, counts = self.history[position]
        at = bisect_right(versions, version)
        return counts[at - 1] if at else 0

    def changed(self, since: int, version: int) -> dict[int, None]:
        """Return the positions changed after `since`, up to `version`."""
        found: dict[int, None] = {}
        for positions in self.changes[since:version]:
            found.update(dict.fromkeys(positions))
        return found

    def content(self, version: int) -> Iterator[tuple[bytes, int]]:
        """Yield (key, count) for all that is above 0 as of a version."""
        for position, name in enumerate(self.names):
            count = self.count(position, version)
            if count:
                yield name, count


class Ledger:
    """All columns as written, and what clients attempted."""

    def __init__(self) -> None:
        self.columns: dict[ColumnId, Written] = {}
        self.attempted: dict[bytes, int] = {}
        self.increments = 0
        self._released: dict[NodeId, None] = {}

    def attempt(self, key: bytes, amount: int) -> None:
        """Note an increment that a node accepted for its next commit."""
        self.increments += 1
        self.attempted[key] = self.attempted.get(key, 0) + amount

    def refuse(self, key: bytes, amount: int) -> None:
        """Note that an attempted increment was certainly not counted."""
        self.attempted[key] -= amount

    def cut(self, batch: Batch) -> None:
        """Note a version of a column, by its writer."""
        self.columns.setdefault(batch.column, Written()).add(batch)

    def answered(self, key: bytes, nodes: Mapping[NodeId, None]) -> int:
        """Return what of `key` was answered by processes of these nodes and survives."""
        total = 0
        for column, written in self.columns.items():
            place = written.places.get(key)
            if place is not None and node_of(column) in nodes:
                total += written.count(place, written.acknowledged)
        return total

    def acknowledge(self, column: ColumnId, version: int) -> None:
        """Note that everything up to a version is answered."""
        written = self.columns.get(column)
        if written is not None and version > written.acknowledged:
            written.acknowledged = version

    def lose(self, column: ColumnId, version: int) -> None:
        """Note that no copy above `version` survives: what was answered above it is gone."""
        written = self.columns[column]
        written.acknowledged = min(written.acknowledged, version)

    def release(self, node: NodeId) -> None:
        """Note that what may still come of a removed node was given up: it may stay in files."""
        self._released[node] = None

    def is_released(self, column: ColumnId) -> bool:
        """Say whether what may still come of a column was given up."""
        return node_of(column) in self._released

    def values(self, heads: dict[ColumnId, int]) -> dict[bytes, int]:
        """Return what all counters are where these are the heads: the oracle of every value."""
        values: dict[bytes, int] = {}
        for column, head in heads.items():
            for key, count in self.columns[column].content(head) if head else ():
                values[key] = values.get(key, 0) + count
        return values
