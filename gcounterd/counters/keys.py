"""The key index: names of counters to rows, for the whole node.

Theory. A row is a number given to a key when the node first meets it, in order, and never given
again; every per-counter array is indexed by it. One dict of ten million names stalls the loop for
1.3 s when it grows, so the names are spread over 256 dicts by hash: none of them ever takes more
than a few milliseconds. Keys are kept as bytes, as they come from sockets and disk.

Rows are this node's own business: they never leave it, and another node's rows differ.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

import msgpack

from gcounterd.counters.images import Image, Kind
from gcounterd.counters.names import CHUNK_SIZE, Names
from gcounterd.counters.slices import finish
from gcounterd.errors import StorageError

_SHARDS = 256
_MASK = _SHARDS - 1
# Names of one image, which takes about a millisecond to make; the last one is partial and written
# again as it fills.
NAMES_PER_IMAGE = CHUNK_SIZE
_NAMES_PER_SLICE = 4096


class KeyIndex:
    """Keys and their rows, both ways."""

    def __init__(self) -> None:
        self.names = Names()
        self._shards: list[dict[bytes, int]] = [{} for _ in range(_SHARDS)]

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: bytes) -> int | None:
        """Return the row of `name`, or None if it was never met."""
        return self._shards[hash(name) & _MASK].get(name)

    def find_all(self, names: Iterable[bytes]) -> list[int]:
        """Return the row of each name, -1 for those never met."""
        shards = self._shards
        return [shards[hash(name) & _MASK].get(name, -1) for name in names]

    def row(self, name: bytes) -> int:
        """Return the row of `name`, giving it the next one if it is new."""
        shard = self._shards[hash(name) & _MASK]
        row = shard.get(name)
        if row is None:
            row = shard[name] = len(self.names)
            self.names.append(name)
        return row

    def rows(self, names: Iterable[bytes]) -> list[int]:
        """Return the rows of `names`, giving new ones as needed."""
        shards = self._shards
        rows: list[int] = []
        fresh: list[bytes] = []
        end = len(self.names)
        for name in names:  # one look-up each, new or not: a million of them are most of a join
            row = shards[hash(name) & _MASK].setdefault(name, end)
            if row == end:
                fresh.append(name)
                end += 1
            rows.append(row)
        self.names.extend(fresh)
        return rows

    def image(self, number: int) -> Image:
        """Encode names `number * 16,384` and following in one go; see `imaging`."""
        return finish(self.imaging(number))

    def imaging(self, number: int) -> Generator[None, None, Image]:
        """Encode names as they are now, pausing in between: they may lie all over the memory."""
        names = self.names.run(number * NAMES_PER_IMAGE, NAMES_PER_IMAGE)
        pieces = [_header(len(names))]
        for at in range(0, len(names), _NAMES_PER_SLICE):
            if at:
                yield
            some = names[at : at + _NAMES_PER_SLICE]
            pieces.append(msgpack.packb(some)[len(_header(len(some))) :])
        return Image(Kind.NAMES, b"", number, b"".join(pieces))

    def load(self, image: Image) -> None:
        """Take in the next image of names; they must come in order, on an index of that length."""
        names = _read_names(image)
        if len(self.names) != image.number * NAMES_PER_IMAGE:
            raise StorageError(f"names of image {image.number} do not follow those before")
        shards = self._shards
        row = len(self.names)
        for name in names:
            shards[hash(name) & _MASK][name] = row
            row += 1
        self.names.extend(names)
        if sum(map(len, shards)) != len(self.names):
            raise StorageError(f"a name stands twice in names image {image.number}")


def _header(length: int) -> bytes:
    """Return msgpack's header of an array of so many."""
    header: bytes = msgpack.Packer().pack_array_header(length)
    return header


def _read_names(image: Image) -> Sequence[bytes]:
    try:
        names = msgpack.unpackb(image.body, raw=True)
    except (ValueError, msgpack.UnpackException) as error:
        raise StorageError(f"names image {image.number} is malformed: {error}") from None
    if not isinstance(names, list) or not set(map(type, names)) <= {bytes}:
        raise StorageError(f"names image {image.number} is malformed")
    return names
