"""Facts: what is seen of a node, in the search's own terms.

Theory. Everything is said by host, life and key, and in an order that does not depend on how it
came about, so that what two nodes say can be compared as it stands. Facts refuse to judge.
"""

from __future__ import annotations

from gcounterd.counters.batches import Batch
from gcounterd.counters.columns import SEGMENT_BITS, SEGMENT_SIZE, Column
from gcounterd.counters.counters import Counters
from gcounterd.members.roster import Roster, State
from tests.search.ground import HOSTS, KEYS, Content, Held, Line, node_id, place_of


def heads(counters: Counters) -> dict[tuple[int, int], int]:
    """Return what is taken in of every column, by host and life."""
    found = counters.all_heads()
    return {place_of(column): found[column] for column in sorted(found)}


def lines(counters: Counters) -> tuple[Line, ...]:
    """Return what is known of settled columns."""
    settled = counters.settled
    found = ((column, settled.get(column)) for column in settled)
    return tuple((*place_of(c), line.version, line.final) for c, line in found if line)


def columns(counters: Counters) -> tuple[Held, ...]:
    """Return the columns in memory."""
    held = counters.columns.values()
    return tuple(sorted((*place_of(c.id), c.head, content_of(counters, c)) for c in held))


def states(roster: Roster) -> tuple[State | None, ...]:
    """Return the state of each host's node in a roster."""
    entries = [roster.get(node_id(index)) for index in range(len(HOSTS))]
    return tuple([None if entry is None else entry.state for entry in entries])


def content_of(counters: Counters, column: Column) -> Content:
    """Return what a column holds of each key."""
    found = dict.fromkeys(KEYS, 0)
    for position in range(column.size):
        segment = column.segments[position >> SEGMENT_BITS]
        offset = position & (SEGMENT_SIZE - 1)
        found[counters.keys.names[segment.rows.item(offset)]] += segment.counts.item(offset)
    return tuple(found.values())


def written(counters: Counters, batch: Batch, before: Content) -> Content:
    """Return the content of a version as its writer cut it, from that of the version before."""
    column = counters.columns.get(batch.column)
    known: list[bytes] = []
    for segment in column.segments if column else ():
        known += [counters.keys.names[row] for row in segment.rows[: segment.size].tolist()]
    content = dict(zip(KEYS, before, strict=True))
    for block in batch.blocks:
        known[block.first :] = block.names
        for position, count in zip(block.positions.tolist(), block.counts.tolist(), strict=True):
            content[known[position]] = count
    return tuple(content.values())
