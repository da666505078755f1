"""Batches: what changed in one column, cut once and encoded once.

Theory. A column at a version has one content for ever, so "everything stamped after `since`, as
of `version`" can be carried by anyone, taken in any number of times and in any order, and merging
is taking the newer. A batch is that sentence as a value. Its payload is made of *blocks*: the
names of positions the receiver may not know, and two parallel arrays, ascending positions and
absolute counts. The bytes of a block are made once and go unchanged to the journal, to every
peer, and back out of the journal.

    block = msgpack [first, [names], n, base, gaps, counts]

`first` is the position of the first name, `base` the first position, `gaps` the n - 1 differences
that follow. An array is a `bin`, little-endian, of a width of 1, 2, 4 or 8 bytes; where a narrower
width fits all but a few items, it is [bin, where, wide] instead: those few are 0 in the bin, and
their places (4 bytes each) and values (8) follow. Gaps instead of positions, and exceptions
instead of one wide item widening all: a thousand changes among a million counters of which a few
are huge cost 4 bytes each instead of 12.

This module refuses to know columns or the key index: it checks that a block agrees with itself.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from operator import sub
from typing import cast

import attrs
import msgpack
import numpy as np
import numpy.typing as npt

from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId

Positions = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]

KEY_BYTES_MAX = 1024
# The largest count a column may hold for a key: what JSON readers hold exactly (DESIGN 1).
COUNT_MAX = 2**53
# A block's encoded size never passes this, so that it fits a 256 KiB frame with its envelope.
BLOCK_BYTES_MAX = 240 * 1024
# Entries of a block: bounds the work of one step (about 60 ns an entry) far below 5 ms.
BLOCK_ENTRIES_MAX = 32_768
# Positions are rows of 32 bits; a column cannot be longer than the key index.
POSITION_MAX = 2**32 - 1

_TYPES = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}
_PLACE = np.dtype("<u4")
_WIDE = np.dtype("<u8")
_EXCEPTIONS_HEADER_BYTES = 8
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
# Up to about so many items it is quicker to go through them one by one than by arrays.
_FEW_MAX = 64
_EMPTY: Positions = np.empty(0, np.int64)


@attrs.frozen(eq=False)
class Block:
    """Some changed counters of one column.

    names      bytes of the keys at positions `first`, `first + 1`, …
    positions  int64[n], strictly ascending
    counts     int64[n], the absolute counts there
    encoded    the block's one encoding
    """

    first: int
    names: tuple[bytes, ...]
    positions: Positions
    counts: Counts
    encoded: bytes

    @property
    def end(self) -> int:
        """Return one past the last position that this block names or changes."""
        last = int(self.positions[-1]) + 1 if len(self.positions) else 0
        return max(last, self.first + len(self.names))


@attrs.frozen(eq=False)
class Batch:
    """Everything of `column` stamped after `since`, as of `version`, in one or more blocks.

    Later blocks hold newer counts than earlier ones where both name a position.
    """

    column: ColumnId
    since: int
    version: int
    blocks: tuple[Block, ...]


def read_counts(batch: Batch) -> dict[bytes, int]:
    """Return the count of each name in a batch that holds a whole column."""
    names = [name for block in batch.blocks for name in block.names]
    counts: dict[bytes, int] = {}
    for block in batch.blocks:
        for position, count in zip(block.positions.tolist(), block.counts.tolist(), strict=True):
            counts[names[position]] = count
    return counts


def make_block(first: int, names: Sequence[bytes], positions: Positions, counts: Counts) -> Block:
    """Encode a block. `positions` must ascend strictly; both arrays are kept, not copied."""
    n = len(positions)
    if 0 < n <= _FEW_MAX:
        places = positions.tolist()
        gaps = _pack_few(list(map(sub, places[1:], places)))
        fields = [first, names, n, places[0], gaps, _pack_few(counts.tolist())]
    else:
        base = int(positions[0]) if n else 0
        fields = [first, names, n, base, _pack(np.diff(positions)) if n else b"", _pack(counts)]
    return Block(first, tuple(names), positions, counts, msgpack.packb(fields))


Packed = bytes | tuple[bytes, bytes, bytes]


def _pack(values: npt.NDArray[np.int64]) -> Packed:
    """Return the cheapest encoding of an array of numbers from 0 to 2^63."""
    n = len(values)
    if n == 0:
        return b""
    top = int(values.max())
    full = next(width for width in _TYPES if top < 1 << (8 * width))
    best, exceptions = n * full, -1
    for width in (1, 2, 4):
        if width >= full or n * width >= best:
            break
        wide = int(np.count_nonzero(values >> (8 * width)))
        cost = n * width + wide * (_PLACE.itemsize + _WIDE.itemsize) + _EXCEPTIONS_HEADER_BYTES
        if cost < best:
            best, full, exceptions = cost, width, wide
    if exceptions < 0:
        return values.astype(_TYPES[full]).tobytes()
    where = np.flatnonzero(values >> (8 * full))
    low = values.copy()
    low[where] = 0
    return (
        low.astype(_TYPES[full]).tobytes(),
        where.astype(_PLACE).tobytes(),
        values[where].astype(_WIDE).tobytes(),
    )


def _pack_few(values: list[int]) -> Packed:
    """Return what `_pack` does, without arrays, whose operations have a fixed cost."""
    n = len(values)
    if n == 0:
        return b""
    top = max(values)
    full = next(width for width in _TYPES if top < 1 << (8 * width))
    best, exceptions = n * full, False
    for width in (1, 2, 4):
        if width >= full or n * width >= best:
            break
        wide = sum(map((1 << (8 * width)).__le__, values))
        cost = n * width + wide * (_PLACE.itemsize + _WIDE.itemsize) + _EXCEPTIONS_HEADER_BYTES
        if cost < best:
            best, full, exceptions = cost, width, True
    if not exceptions:
        return bytes(values) if full == 1 else struct.pack(f"<{n}{_CODES[full]}", *values)
    where = [place for place, value in enumerate(values) if value >> (8 * full)]
    low = [0 if value >> (8 * full) else value for value in values]
    return (
        struct.pack(f"<{n}{_CODES[full]}", *low),
        struct.pack(f"<{len(where)}I", *where),
        struct.pack(f"<{len(where)}Q", *[values[place] for place in where]),
    )


def read_block(encoded: bytes) -> Block:
    """Decode and check one block.

    Total: any bytes give a block that agrees with itself or a `PeerError`.
    """
    if len(encoded) > BLOCK_BYTES_MAX:
        raise PeerError("block_too_large", f"{len(encoded)} bytes")
    try:
        fields = msgpack.unpackb(
            encoded, raw=True, use_list=False, strict_map_key=True, max_map_len=0, max_ext_len=0
        )
    except (ValueError, msgpack.UnpackException, OverflowError) as error:
        raise PeerError("block_malformed", str(error)) from None
    return _checked(fields, encoded)


def _checked(fields: object, encoded: bytes) -> Block:
    match fields:
        case (int(first), tuple(names), int(n), int(base), gaps, counts) if not (
            isinstance(first, bool) or isinstance(n, bool) or isinstance(base, bool)
        ):
            pass
        case _:
            raise PeerError("block_malformed", "not [first, names, n, base, gaps, counts]")
    if not (0 <= n <= BLOCK_ENTRIES_MAX and 0 <= first <= POSITION_MAX - len(names)):
        raise PeerError("block_malformed", "a number is out of range")
    if len(names) > BLOCK_ENTRIES_MAX:
        raise PeerError("block_malformed", "too many names")
    _check_names(names)
    if len(set(names)) != len(names):
        raise PeerError("block_malformed", "a name stands twice")
    return Block(first, names, _positions(n, base, gaps), _counts(n, counts), encoded)


def are_keys(keys: Collection[bytes]) -> bool:
    """Say whether each of these, at least one, is 1 to 1,024 bytes of UTF-8; all in one go."""
    lengths = list(map(len, keys))
    if min(lengths) < 1 or max(lengths) > KEY_BYTES_MAX:
        return False
    try:
        # The line feed between them is no part of a longer character: all are UTF-8 or the whole
        # is not.
        b"\n".join(keys).decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_names(names: tuple[object, ...]) -> None:
    """Check many names; all at once, since thousands come in one block, and nearly always good."""
    if not names:
        return
    if set(map(type, names)) == {bytes} and are_keys(cast("tuple[bytes, ...]", names)):
        return
    for name in names:
        check_name(name)


def check_name(name: object) -> None:
    """Raise `PeerError` unless `name` is 1 to 1,024 bytes of UTF-8."""
    if not isinstance(name, bytes) or not 1 <= len(name) <= KEY_BYTES_MAX:
        raise PeerError("bad_name", "a key is 1 to 1,024 bytes")
    try:
        name.decode()
    except UnicodeDecodeError:
        raise PeerError("bad_name", "a key is UTF-8") from None


def _positions(n: int, base: int, gaps: object) -> Positions:
    if n == 0:
        if gaps != b"" or base:
            raise PeerError("block_malformed", "positions without entries")
        return _EMPTY
    if not 0 <= base <= POSITION_MAX:
        raise PeerError("block_malformed", "a position is out of range")
    steps = _unpack(n - 1, gaps)
    positions = np.empty(n, np.int64)
    positions[0] = base
    if n > 1:
        if int(steps.min()) < 1 or int(steps.max()) > POSITION_MAX:
            raise PeerError("block_malformed", "positions do not ascend")
        np.cumsum(steps, out=positions[1:])
        positions[1:] += base
    if int(positions[-1]) > POSITION_MAX:
        raise PeerError("block_malformed", "a position is out of range")
    return positions


def _counts(n: int, data: object) -> Counts:
    counts = _unpack(n, data)
    if n and int(counts.max()) > COUNT_MAX:
        raise PeerError("count_too_large", "a column's count is above 2^53")
    return counts.astype(np.int64)


def _unpack(n: int, packed: object) -> npt.NDArray[np.unsignedinteger]:
    match packed:
        case bytes(data):
            return _array(n, data)
        case (bytes(data), bytes(where), bytes(wide)):
            return _with_exceptions(_array(n, data), where, wide)
        case _:
            raise PeerError("block_malformed", "not an array")


def _array(n: int, data: bytes) -> npt.NDArray[np.unsignedinteger]:
    width, odd = divmod(len(data), n) if n else (1, len(data))
    if odd or width not in _TYPES:
        raise PeerError("block_malformed", "an array's length is wrong")
    return np.frombuffer(data, _TYPES[width])


def _with_exceptions(
    low: npt.NDArray[np.unsignedinteger], where: bytes, wide: bytes
) -> npt.NDArray[np.unsignedinteger]:
    number, odd = divmod(len(where), _PLACE.itemsize)
    if odd or number > len(low) or len(wide) != number * _WIDE.itemsize:
        raise PeerError("block_malformed", "an array's length is wrong")
    places = np.frombuffer(where, _PLACE)
    if number and int(places.max()) >= len(low):
        raise PeerError("block_malformed", "an exception is out of range")
    values = low.astype(_WIDE)
    values[places] = np.frombuffer(wide, _WIDE)
    return values


# Blocks that we make: 16,384 entries of 12 bytes, or fewer with names; below BLOCK_BYTES_MAX. Who
# reads a block checks its names in one step, some 300 ns each.
_ENTRIES_PER_BLOCK = 16_384
_NAMES_PER_BLOCK = 4096
_BYTES_PER_BLOCK = 200 * 1024
# What an entry costs beside its name: a gap, a count, and the header of the name.
ENTRY_BYTES_MAX = 4 + 8
_NAME_HEADER_BYTES = 3


def split_blocks(
    first: int, names: Sequence[bytes], positions: Positions, counts: Counts
) -> list[Block]:
    """Cut changes into blocks below the limits of a frame; see `splitting`."""
    return list(splitting(first, names, positions, counts))


def splitting(
    first: int, names: Sequence[bytes], positions: Positions, counts: Counts
) -> Iterator[Block]:
    """Cut changes into blocks below the limits of a frame, one a step.

    `names` are those of the last `len(names)` positions, which run on from `first` without gaps;
    the positions before them are known to the receiver.
    """
    known = len(positions) - len(names)
    for start, end in _runs(known, names):
        before, upto = max(0, start - known), max(0, end - known)
        named = names[before:upto]
        yield make_block(first + before, named, positions[start:end], counts[start:end])


def _runs(known: int, names: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of runs of entries that each fit a block."""
    full = known // _ENTRIES_PER_BLOCK * _ENTRIES_PER_BLOCK
    for at in range(0, full, _ENTRIES_PER_BLOCK):
        yield at, at + _ENTRIES_PER_BLOCK
    start, at, end = full, known, known + len(names)
    while at < end:
        most = min(_NAMES_PER_BLOCK, _ENTRIES_PER_BLOCK - (at - start))
        room = _BYTES_PER_BLOCK - (at - start) * ENTRY_BYTES_MAX
        at += _fitting(names[at - known : at - known + most], room)
        yield start, at
        start = at
    if start < at:
        yield start, at


def _fitting(names: Sequence[bytes], room: int) -> int:
    """Return how many names fit so many bytes with their entries, from the first on."""
    each = _NAME_HEADER_BYTES + ENTRY_BYTES_MAX
    if sum(map(len, names)) + len(names) * each <= room:
        return len(names)
    for number, name in enumerate(names):
        room -= len(name) + each
        if room < 0:
            return number
    return len(names)
