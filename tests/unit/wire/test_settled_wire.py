"""Lines of imported columns on the wire: each name proves itself, and a full page fits a frame."""

from __future__ import annotations

import msgpack
import pytest
from samples import COLUMN, EPOCH, IMPORTED, OTHER_COLUMN, golden

from gcounterd.counters.imports import SOURCE_BYTES_MAX, source_node
from gcounterd.counters.settled import Line
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.node.settled_messages import LINES_MAX, PARTS_MAX, Settled, SettledSums
from gcounterd.wire.codec import decode, encode
from gcounterd.wire.frames import LENGTH_BYTES


def test_the_name_of_a_source_must_be_that_of_its_column() -> None:
    lines = {IMPORTED: Line(1, 1, source="another source")}
    frame = encode(Settled(b"", b"", lines, asks=False))
    with pytest.raises(PeerError, match="the name of another source"):
        decode(frame[LENGTH_BYTES:])


@pytest.mark.parametrize(
    "sources", [("the old système",), ("x" * 256, ""), (b"the old", ""), "no list", 3]
)
def test_names_of_sources_are_bounded_and_one_for_each_line(sources: object) -> None:
    fields = list(msgpack.unpackb(golden("settled_imports")[LENGTH_BYTES:], use_list=False))
    fields[8] = sources
    with pytest.raises(PeerError):
        decode(msgpack.packb(fields))


def test_a_full_page_of_the_longest_names_fits_a_frame() -> None:
    names = [f"{number:03}".ljust(SOURCE_BYTES_MAX, "x") for number in range(LINES_MAX)]
    lines = {ColumnId(source_node(n) + EPOCH): Line(1, 1, source=n) for n in names}
    page = Settled(b"", b"", lines, asks=True)
    assert decode(encode(page)[LENGTH_BYTES:]) == page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (2, b""),
        (2, OTHER_COLUMN + COLUMN),
        (2, COLUMN + COLUMN),
        (2, b"x" * 32 * (PARTS_MAX + 1)),
        (2, COLUMN + OTHER_COLUMN[:31]),
        (1, COLUMN),
        (1, b"x"),
        (3, b"sums"),
        (3, b"sumssumsmoremoremoremore"),
    ],
)
def test_sums_are_of_ranges_that_follow_each_other(field: int, value: object) -> None:
    fields = list(msgpack.unpackb(golden("settled_sums")[LENGTH_BYTES:], use_list=False))
    fields[field] = value
    with pytest.raises(PeerError):
        decode(msgpack.packb(fields))


@pytest.mark.parametrize("number", [0, PARTS_MAX + 1])
def test_sums_over_no_range_or_too_many_are_not_written(number: int) -> None:
    ends = tuple(ColumnId(each.to_bytes(32, "big")) for each in range(1, number + 1))
    with pytest.raises(ValueError, match="ranges"):
        encode(SettledSums(b"", ends, bytes(8 * number)))
