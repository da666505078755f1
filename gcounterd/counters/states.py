"""States: what a start must know of a column beside its segments.

    image = msgpack [head, size] of an open column, [head, size, final] of a closed one,
                    [head, size, final, source] of one that was imported

This module refuses to know what follows from it.
"""

from __future__ import annotations

import attrs
import msgpack

from gcounterd.counters.images import Image, Kind
from gcounterd.errors import StorageError
from gcounterd.ids import ColumnId


@attrs.frozen
class ColumnState:
    """A column's head and size; closed or not, and after which version nothing follows (or 0).

    source  the name of what it was imported from, "" of any other column
    """

    head: int
    size: int
    closed: bool = False
    final: int = 0
    source: str = ""


def state_image(column: ColumnId, state: ColumnState) -> Image:
    """Encode the state of a column."""
    fields: list[object] = [state.head, state.size, *([state.final] if state.closed else [])]
    if state.source:
        fields.append(state.source)
    return Image(Kind.COLUMN, column, 0, msgpack.packb(fields))


def read_state(image: Image) -> ColumnState:
    """Return the state that an image holds; raise `StorageError` if it holds none."""
    try:
        fields = msgpack.unpackb(image.body)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise StorageError(f"a column's image is malformed: {error}") from None
    match fields:
        case [int(head), int(size)] if min(fields) >= 0:
            return ColumnState(head, size)
        case [int(head), int(size), int(final)] if min(fields) >= 0:
            return ColumnState(head, size, closed=True, final=final)
        case [int(head), int(size), int(final), str(source)] if min(fields[:3]) >= 0:
            return ColumnState(head, size, closed=True, final=final, source=source)
        case _:
            raise StorageError("a column's image is malformed")
