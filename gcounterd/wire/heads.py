"""Heads: how far columns are held, as fields of msgpack and back.

A map of heads goes as one string of columns and one list of heads, in the same order: half the
items of a map, and a column that stands twice is seen. Reading is total, as all of the codec.
"""

from __future__ import annotations

from gcounterd.errors import PeerError
from gcounterd.ids import COLUMN_ID_BYTES, ColumnId
from gcounterd.wire import fields

# As many columns as a node keeps open (DESIGN 1): a digest names each once.
HEADS_MAX = 1024


def write_heads(heads: dict[ColumnId, int]) -> tuple[bytes, list[int]]:
    """Return the two fields of a map of heads; raise `ValueError` past HEADS_MAX."""
    if len(heads) > HEADS_MAX:
        raise ValueError(f"{len(heads)} heads in one message")
    return b"".join(heads), list(heads.values())


def read_heads(columns: object, heads: object) -> dict[ColumnId, int]:
    """Read the two fields of a map of heads; raise `PeerError` if they are none."""
    if type(heads) is not tuple or len(heads) > HEADS_MAX:
        raise PeerError("bad_shape", f"not a list of at most {HEADS_MAX} heads")
    names = read_columns(columns, len(heads))
    return dict(zip(names, [fields.number(head) for head in heads], strict=True))


def read_columns(joined: object, number: int) -> list[ColumnId]:
    """Read that many columns from one string; raise `PeerError` unless each stands once."""
    data = fields.exact(joined, COLUMN_ID_BYTES * number)
    found = [
        ColumnId(data[at : at + COLUMN_ID_BYTES]) for at in range(0, len(data), COLUMN_ID_BYTES)
    ]
    if len(dict.fromkeys(found)) != number:
        raise PeerError("bad_shape", "a column stands twice")
    return found
