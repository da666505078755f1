"""Names: the keys by row, in chunks.

Theory. One list of all names moves when it grows: 10 ms of the loop at a million, more with every
million. Chunks never move. A full one becomes a tuple, which the garbage collector looks at once
and then leaves alone, since nothing in it can be part of a cycle; a list it would look at for ever.

This module refuses to know what the names are for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

CHUNK_BITS = 14
CHUNK_SIZE = 1 << CHUNK_BITS
_OFFSET_MASK = CHUNK_SIZE - 1


class Names:
    """A sequence of names that only grows."""

    __slots__ = ("_full", "_last")

    def __init__(self) -> None:
        self._full: list[tuple[bytes, ...]] = []
        self._last: list[bytes] = []

    def __len__(self) -> int:
        return (len(self._full) << CHUNK_BITS) + len(self._last)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._full:
            yield from chunk
        yield from self._last

    def __getitem__(self, row: int) -> bytes:
        """Return the name of a row, from 0 on; raise `IndexError` beyond the end."""
        number = row >> CHUNK_BITS
        if number < len(self._full):
            return self._full[number][row & _OFFSET_MASK]
        return self._last[row - (len(self._full) << CHUNK_BITS)]

    def at(self, rows: Sequence[int]) -> list[bytes]:
        """Return the names of rows, in their order; not a call for each."""
        full, number = self._full, len(self._full)
        if rows and max(rows) >> CHUNK_BITS >= number:
            return [self[row] for row in rows]
        return [full[row >> CHUNK_BITS][row & _OFFSET_MASK] for row in rows]

    def append(self, name: bytes) -> None:
        """Give the next row to a name."""
        self._last.append(name)
        if len(self._last) == CHUNK_SIZE:
            self._close()

    def extend(self, names: Sequence[bytes]) -> None:
        """Give the next rows to names."""
        at = 0
        while at < len(names):
            room = CHUNK_SIZE - len(self._last)
            self._last += names[at : at + room]
            at += room
            if len(self._last) == CHUNK_SIZE:
                self._close()

    def _close(self) -> None:
        self._full.append(tuple(self._last))
        self._last = []

    def run(self, start: int, most: int) -> Sequence[bytes]:
        """Return the names from row `start` on, `most` of them or up to the end.

        They must lie in one chunk: runs of a power of two up to `CHUNK_SIZE` do.
        """
        number, offset = start >> CHUNK_BITS, start & _OFFSET_MASK
        assert offset + most <= CHUNK_SIZE, "a run crosses the end of a chunk"
        if number < len(self._full):
            return self._full[number][offset : offset + most]
        assert number == len(self._full), "a run begins beyond the end"
        return self._last[offset : offset + most]
