"""Settled columns: those that are closed, and those that are forgotten.

Theory. A column whose process has ended only moves: first it is *closed* (its counts lie in the
base and it need not stay in memory), later *forgotten* (its counts lie in the residue). Neither
changes a value, so closing needs nobody's consent. What remains of a settled column is one line
here: which version of it this node has taken in, and after which version nothing follows, where its
writer has said so (*final*). The line of an imported column has a label as well, the name of its
source (`counters.imports`).

Two nodes compare all of it by one hash over (column, version, final, source), which closing and
forgetting at different times do not tell apart. It is a sum of the hashes of the lines, so a
changed line costs one hash and not all of them; and sums over ranges of columns (`ranges`) say
where two nodes differ.

This module refuses to know counts, disks and peers.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence

import attrs

from gcounterd.counters.ranges import SUM_BYTES, Ranges
from gcounterd.ids import COLUMN_ID_BYTES, ColumnId, NodeId, node_of

HASH_BYTES = 16
# It stands in the hello, which has no room for more.
STATE_HASH_BYTES = 8
_MODULUS = 2 ** (8 * HASH_BYTES)
# A column that sorts at or after every other.
LAST_COLUMN = ColumnId(b"\xff" * COLUMN_ID_BYTES)


@attrs.frozen
class Closing:
    """The fact that a column is closed; `final` is its last version where its writer said so.

    source  of an imported column: where its counts came from, "" where that is not known
    """

    column: ColumnId
    final: int = 0
    source: str = ""


@attrs.frozen
class Line:
    """What is known of a settled column.

    version    the newest version taken in, 0 for none
    final      after which nothing follows, 0 where that is not known
    size       positions known (of a closed one)
    forgotten  its counts are in the residue
    source     where the counts of an imported column came from, "" of any other
    """

    version: int
    final: int = 0
    size: int = 0
    forgotten: bool = False
    source: str = ""


class Settled:
    """The lines of one node.

    dirty    columns whose line changed since it was written to disk, in order
    sources  the names of what was imported, by the node that stands for it
    """

    def __init__(self) -> None:
        self.sources = Sources()
        self._lines: dict[ColumnId, Line] = {}
        self._ranges = Ranges()
        self._sum = 0
        self._forgotten_sum = 0
        self.dirty: dict[ColumnId, None] = {}

    def __contains__(self, column: object) -> bool:
        return column in self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[ColumnId]:
        """Yield the settled columns in order."""
        return iter(self._ranges)

    def get(self, column: ColumnId) -> Line | None:
        """Return the line of a column, None if it is not settled."""
        return self._lines.get(column)

    def put(self, column: ColumnId, line: Line) -> None:
        """Write a line; versions and finals only rise, and nothing forgotten is closed again."""
        before = self._lines.get(column)
        if before == line:
            return
        if before is not None:
            self._count(column, before, -1)
        self._ranges.put(column, self._count(column, line, 1))
        self._lines[column] = line
        self.dirty[column] = None
        if line.source:
            self.sources.add(node_of(column), line.source)

    def _count(self, column: ColumnId, line: Line, sign: int) -> int:
        """Add a line's print to the sums, or take it away; return it."""
        print_ = _print(column, line)
        self._sum = (self._sum + sign * print_) % _MODULUS
        if line.forgotten:
            self._forgotten_sum = (self._forgotten_sum + sign * print_) % _MODULUS
        return print_

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where all versions and finals are."""
        return self._sum.to_bytes(HASH_BYTES, "big")

    def forgotten_hash(self) -> bytes:
        """Return 16 bytes that are equal where the same columns are forgotten at one version."""
        return self._forgotten_sum.to_bytes(HASH_BYTES, "big")

    def state_hash(self) -> bytes:
        """Return 8 bytes that are equal where lines are, and the same of them are forgotten."""
        both = self.hash() + self.forgotten_hash()
        return hashlib.blake2b(both, digest_size=STATE_HASH_BYTES).digest()

    def page(
        self, after: bytes, most: int, upto: bytes = LAST_COLUMN
    ) -> tuple[ColumnId, dict[ColumnId, Line]]:
        """Return the next lines after a column and up to another, and how far they are all."""
        found = self._ranges.first(after, upto, most + 1)
        whole = len(found) <= most
        del found[most:]
        return ColumnId(upto if whole else found[-1]), {c: self._lines[c] for c in found}

    def between(self, after: bytes, upto: bytes) -> dict[ColumnId, Line]:
        """Return the lines after one column and up to another."""
        return self.page(after, len(self._lines), upto)[1]

    def count(self, after: bytes, upto: bytes) -> int:
        """Return how many lines there are after one column and up to another."""
        return self._ranges.count(after, upto)

    def cut(self, after: bytes, upto: bytes, parts: int) -> tuple[ColumnId, ...]:
        """Return where so many parts of a range end, of about as many lines each; one at least."""
        return tuple(self._ranges.cut(after, upto, parts))

    def sums(self, after: bytes, ends: Sequence[bytes]) -> bytes:
        """Return SUM_BYTES for each range that ends at one of `ends`, equal where its lines are."""
        starts = [after, *ends[:-1]]
        sums = [self._ranges.sum(start, end) for start, end in zip(starts, ends, strict=True)]
        return b"".join([each.to_bytes(SUM_BYTES, "big") for each in sums])


class Sources:
    """The names of sources, by node and in order."""

    def __init__(self) -> None:
        self._names: dict[NodeId, str] = {}
        self._order: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def add(self, node: NodeId, source: str) -> None:
        """Note the name of the source for which a node stands."""
        if node not in self._names:
            self._names[node] = source
            insort(self._order, source)

    def get(self, node: NodeId) -> str | None:
        """Return the name of the source for which a node stands, None if it is another node."""
        return self._names.get(node)

    def page(self, after: str, most: int) -> list[str]:
        """Return the next names after one, in order."""
        first = bisect_right(self._order, after)
        return self._order[first : first + most]


def _print(column: ColumnId, line: Line) -> int:
    body = column + line.version.to_bytes(8, "big") + line.final.to_bytes(8, "big")
    body += line.source.encode()
    return int.from_bytes(hashlib.blake2b(body, digest_size=HASH_BYTES).digest(), "big")
