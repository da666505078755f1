"""Messages of consistent reads: what a member holds and knows beyond the one that asks.

A part of the vocabulary of `messages`, which says on which links they go. Neither carries content:
what the asker lacks it asks for as for anything else. What does not fit one answer is asked on for,
so that neither side keeps account of the other.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import ColumnId
from gcounterd.members.roster import Entry


@attrs.frozen
class Ask:
    """Bulk: which columns do you hold above these heads, and which members do you know?

    number   of the question, which the answer repeats
    heads    of open columns; one that is not named is not held
    settled  the hash of my settled columns, 16 bytes: where it is yours you need not name them
    members  the hash of who belongs to my roster, 16 bytes, likewise
    after    b"" at first; then where the answer before left off, a node id or a column
    """

    number: int
    heads: dict[ColumnId, int]
    settled: bytes
    members: bytes
    after: bytes = b""


@attrs.frozen
class Answer:
    """Bulk: the heads above those asked about, and the members that belong, or a part of both.

    upto  b"" where nothing follows, else what to ask on after
    """

    number: int
    heads: dict[ColumnId, int]
    entries: tuple[Entry, ...]
    upto: bytes = b""
