"""Messages about removals: what somebody who leaves hands over, and what members have saved.

A part of the vocabulary of `messages`, which says on which links they go. None of them carries
content: who lacks something asks for it as for anything else.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import ColumnId, NodeId


@attrs.frozen
class HandOver:
    """Bulk: do you hold at least these versions, whatever became of the columns? I have them.

    number   which the answer repeats
    """

    number: int
    heads: dict[ColumnId, int]


@attrs.frozen
class Held:
    """Bulk: the answer: which versions of these columns I hold durably.

    roster   the hash of my roster, 16 bytes
    refused  those of which I take in nothing more, since I have forgotten them
    """

    number: int
    heads: dict[ColumnId, int]
    roster: bytes
    refused: tuple[ColumnId, ...] = ()


@attrs.frozen
class Saved:
    """Bulk: I hold the entry by which `target` is removed, and these versions of its columns.

    columns  the hash of column, version and final version of each, 16 bytes
    removed  my entry says that it is removed, and not only that it is being removed
    asks     for yours
    """

    target: NodeId
    columns: bytes
    removed: bool
    asks: bool
