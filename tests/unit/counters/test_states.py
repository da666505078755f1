"""The state of a column on disk: read as it was written, and nothing else is read at all."""

from __future__ import annotations

import msgpack
import pytest
from counting import column

from gcounterd.counters.images import Image, Kind
from gcounterd.counters.states import ColumnState, read_state, state_image
from gcounterd.errors import StorageError


@pytest.mark.parametrize(
    "state",
    [
        ColumnState(0, 0),
        ColumnState(7, 3),
        ColumnState(7, 3, closed=True),
        ColumnState(9, 1, True, 9),
    ],
)
def test_a_state_is_read_as_it_was_written(state: ColumnState) -> None:
    assert read_state(state_image(column("a"), state)) == state


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb([]),
        msgpack.packb([1]),
        msgpack.packb([1, 2, 3, 4]),
        msgpack.packb([1, "2"]),
        msgpack.packb([1, 2, None]),
        msgpack.packb([-1, 2]),
        msgpack.packb([1, 2, -3]),
        msgpack.packb([1, 2]) + b"more",
    ],
)
def test_what_is_no_state_is_an_error_of_the_store(body: bytes) -> None:
    with pytest.raises(StorageError, match="malformed"):
        read_state(Image(Kind.COLUMN, column("a"), 0, body))
