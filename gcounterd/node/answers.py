"""Answers: what a member says when another one reads consistently.

Theory. Whatever this node has acknowledged is applied, whatever its durability (decision 6), so
heads read after a question has come cover every increment acknowledged before it was put. Heads of
open columns are compared with those in the question, settled columns and members by their hashes:
where these are equal the asker has them. Where not, all are named, in the order of their ids and in
parts, and the asker asks for the next. Nothing is missed between two parts: a column is open until
it is settled, and settled for ever, so one that was there when the first question came is there
when its turn comes, at that version or above.

This module refuses to know why it is asked.
"""

from __future__ import annotations

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.counters.settled import LAST_COLUMN
from gcounterd.ids import COLUMN_ID_BYTES, ColumnId
from gcounterd.members.roster import Entry, Roster
from gcounterd.node.reading_messages import Answer, Ask
from gcounterd.node.spreading import ENTRIES_PER_FRAME

# What one answer says of columns: as many as a frame names, found in less than a millisecond.
HEADS_PER_ANSWER = OPEN_COLUMNS_MAX


def answer(ask: Ask, counters: Counters, roster: Roster) -> Answer:
    """Answer a question, or the part of it that is asked for."""
    after = ColumnId(ask.after)
    entries: tuple[Entry, ...] = ()
    if len(ask.after) < COLUMN_ID_BYTES:
        after = ColumnId(b"")
        entries, follow = _members(ask, roster)
        if follow:
            return Answer(ask.number, {}, entries, entries[-1].node)
    heads, upto = _columns(ask, counters, after)
    return Answer(ask.number, heads, entries, upto)


def _members(ask: Ask, roster: Roster) -> tuple[tuple[Entry, ...], bool]:
    """Return who belongs, as far as one answer says it, and whether more follow."""
    if ask.members == roster.members_hash():
        return (), False
    left = [entry for entry in roster.belonging() if entry.node > ask.after]
    return tuple(left[:ENTRIES_PER_FRAME]), len(left) > ENTRIES_PER_FRAME


def _columns(ask: Ask, counters: Counters, after: ColumnId) -> tuple[dict[ColumnId, int], bytes]:
    """Return heads above those asked about, after a column, and up to where that is all."""
    last, heads = LAST_COLUMN, counters.heads()
    if ask.settled != counters.settled.hash():
        last, lines = counters.settled.page(after, HEADS_PER_ANSWER)
        heads |= {column: line.version for column, line in lines.items()}
    newer = {c: h for c, h in heads.items() if h > ask.heads.get(c, 0) and after < c <= last}
    if len(newer) > HEADS_PER_ANSWER:
        named = sorted(newer)[:HEADS_PER_ANSWER]
        last, newer = named[-1], {column: newer[column] for column in named}
    return newer, b"" if last == LAST_COLUMN else last
