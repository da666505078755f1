"""Batches: what changed in one column, cut once and encoded once.

Theory. A column at a version has one content for ever, so "everything stamped after `since`, as
of `version`" can be carried by anyone, taken in any number of times and in any order, and merging
is taking the newer. A batch is that sentence as a value. Its payload is made of *blocks*: the
names of positions the receiver may not know, and two parallel arrays, ascending positions and
absolute counts. The bytes of a block are made once and go unchanged to the journal, to every
peer, and back out of the journal.

    block = msgpack [first, [names], n, base, gaps, counts]

`first` is the position of the first name, `base` the first position, `gaps` the n - 1 differences
that follow, each array little-endian and of the narrowest width that fits all its items (gaps 1,
2, 4 bytes; counts 1, 2, 4, 8). Gaps instead of positions: a thousand changes among a million
counters cost 2 bytes each instead of 4.

This module refuses to know columns or the key index: it checks that a block agrees with itself.
"""

from __future__ import annotations

from collections.abc import Sequence

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

Widths = dict[int, "np.dtype[np.unsignedinteger]"]
_GAP_TYPES: Widths = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
_COUNT_TYPES: Widths = {**_GAP_TYPES, 8: np.dtype("<u8")}
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


def make_block(first: int, names: Sequence[bytes], positions: Positions, counts: Counts) -> Block:
    """Encode a block. `positions` must ascend strictly; both arrays are kept, not copied."""
    encoded = msgpack.packb(
        [
            first,
            names,
            len(positions),
            int(positions[0]) if len(positions) else 0,
            _narrow(np.diff(positions), _GAP_TYPES),
            _narrow(counts, _COUNT_TYPES),
        ]
    )
    return Block(first, tuple(names), positions, counts, encoded)


def _narrow(values: npt.NDArray[np.int64], types: Widths) -> bytes:
    top = int(values.max()) if len(values) else 0
    for width, kind in types.items():
        if top < 1 << (8 * width):
            return values.astype(kind).tobytes()
    raise AssertionError(f"{top} does not fit the widest type of this array")


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
        case (int(first), tuple(names), int(n), int(base), bytes(gaps), bytes(counts)) if not (
            isinstance(first, bool) or isinstance(n, bool) or isinstance(base, bool)
        ):
            pass
        case _:
            raise PeerError("block_malformed", "not [first, names, n, base, gaps, counts]")
    if not (0 <= n <= BLOCK_ENTRIES_MAX and 0 <= first <= POSITION_MAX - len(names)):
        raise PeerError("block_malformed", "a number is out of range")
    if len(names) > BLOCK_ENTRIES_MAX:
        raise PeerError("block_malformed", "too many names")
    for name in names:
        check_name(name)
    if len(set(names)) != len(names):
        raise PeerError("block_malformed", "a name stands twice")
    return Block(first, names, _positions(n, base, gaps), _counts(n, counts), encoded)


def check_name(name: object) -> None:
    """Raise `PeerError` unless `name` is 1 to 1,024 bytes of UTF-8."""
    if not isinstance(name, bytes) or not 1 <= len(name) <= KEY_BYTES_MAX:
        raise PeerError("bad_name", "a key is 1 to 1,024 bytes")
    try:
        name.decode()
    except UnicodeDecodeError:
        raise PeerError("bad_name", "a key is UTF-8") from None


def _positions(n: int, base: int, gaps: bytes) -> Positions:
    if n == 0:
        if gaps or base:
            raise PeerError("block_malformed", "positions without entries")
        return _EMPTY
    if not 0 <= base <= POSITION_MAX:
        raise PeerError("block_malformed", "a position is out of range")
    steps = _widen(n - 1, gaps, _GAP_TYPES)
    positions = np.empty(n, np.int64)
    positions[0] = base
    if n > 1:
        if int(steps.min()) < 1:
            raise PeerError("block_malformed", "positions do not ascend")
        np.cumsum(steps, out=positions[1:])
        positions[1:] += base
    if int(positions[-1]) > POSITION_MAX:
        raise PeerError("block_malformed", "a position is out of range")
    return positions


def _counts(n: int, data: bytes) -> Counts:
    counts = _widen(n, data, _COUNT_TYPES)
    if n and int(counts.max()) > COUNT_MAX:
        raise PeerError("count_too_large", "a column's count is above 2^53")
    return counts.astype(np.int64)


def _widen(n: int, data: bytes, types: Widths) -> npt.NDArray[np.unsignedinteger]:
    width, odd = divmod(len(data), n) if n else (1, len(data))
    if odd or width not in types:
        raise PeerError("block_malformed", "an array's length is wrong")
    return np.frombuffer(data, types[width])


# Known positions of one block at most: 16,384 entries of 12 bytes stay below BLOCK_BYTES_MAX.
_KNOWN_PER_BLOCK = 16_384
_NAMED_BYTES_PER_BLOCK = 200 * 1024
# What an entry costs beside its name: a gap, a count, and the header of the name.
ENTRY_BYTES_MAX = 4 + 8
_NAME_HEADER_BYTES = 3


def split_blocks(
    first: int, names: Sequence[bytes], positions: Positions, counts: Counts
) -> list[Block]:
    """Cut changes into blocks below the limits of a frame.

    `names` are those of the last `len(names)` positions, which run on from `first` without gaps;
    the positions before them are known to the receiver.
    """
    known = len(positions) - len(names)
    blocks = [
        make_block(first, (), positions[at : at + n], counts[at : at + n])
        for at, n in _cuts([0] * known, _KNOWN_PER_BLOCK)
    ]
    for at, n in _cuts([len(name) for name in names], _KNOWN_PER_BLOCK):
        span = slice(known + at, known + at + n)
        blocks.append(make_block(first + at, names[at : at + n], positions[span], counts[span]))
    return blocks


def _cuts(lengths: Sequence[int], entries_max: int) -> list[tuple[int, int]]:
    """Return (start, number) of runs that stay within the entries and bytes of a block."""
    cuts = []
    start = size = 0
    for at, length in enumerate(lengths):
        cost = length + _NAME_HEADER_BYTES + ENTRY_BYTES_MAX if length else 0
        if at - start == entries_max or size + cost > _NAMED_BYTES_PER_BLOCK:
            cuts.append((start, at - start))
            start, size = at, 0
        size += cost
    if start < len(lengths):
        cuts.append((start, len(lengths) - start))
    return cuts
