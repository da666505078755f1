"""Lines of imported columns on the wire: each name proves itself, and a full page fits a frame."""

from __future__ import annotations

import msgpack
import pytest
from samples import EPOCH, IMPORTED, golden

from gcounterd.counters.imports import SOURCE_BYTES_MAX, source_node
from gcounterd.counters.settled import Line
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId
from gcounterd.node.messages import LINES_MAX, Settled
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
