"""Messages about settled columns: where two nodes differ in them, and their lines.

Values only, as all messages; what follows from them is in `node.settling` and `node.taking`.
"""

from __future__ import annotations

import attrs

from gcounterd.counters.settled import Line
from gcounterd.ids import ColumnId, NodeId

# Settled columns in one message (DESIGN 1: maps are compared in pages of 256).
LINES_MAX = 256
# The same where all of one node are told, some 45 bytes each.
LINES_OF_NODE_PER_MESSAGE = 1024
# Parts of a range that are compared by one message.
PARTS_MAX = 64


@attrs.frozen
class Settled:
    """Bulk: my lines of some settled columns, whose content I hold at these versions.

    after, upto  these are all that I have after the one column and up to the other, which may both
                 be b"": then they are some that changed
    asks         for what you have more of there
    """

    after: bytes
    upto: bytes
    lines: dict[ColumnId, Line]
    asks: bool


@attrs.frozen
class SettledSums:
    """Bulk: sums over my lines; in which of these ranges do yours differ?

    after  the first range begins after this column, each other one where the one before ends
    ends   the columns with which they end, in order; at least one and at most PARTS_MAX
    sums   8 bytes for each, equal where the lines are
    """

    after: bytes
    ends: tuple[ColumnId, ...]
    sums: bytes


@attrs.frozen
class SettledDiffer:
    """Bulk: of the ranges after the one column and up to the other, these differ.

    differ  a bit for each range, the lowest for the first
    """

    after: bytes
    upto: bytes
    differ: int


@attrs.frozen
class AskLines:
    """Bulk: which settled columns of this node do you hold, and how? Ends in `Lines`."""

    node: NodeId


@attrs.frozen
class Lines:
    """Bulk: all my lines of the settled columns of a node, in one message or several.

    number  of this message, from 0
    last    there are no more
    reply   they answer an `AskLines`; else their receiver has something to do about them
    """

    node: NodeId
    number: int
    last: bool
    reply: bool
    lines: dict[ColumnId, Line]
