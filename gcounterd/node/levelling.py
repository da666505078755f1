"""Levelling: making our roster and a peer's equal where they differ, and telling nothing else.

Theory. Who finds that hashes differ sends the hashes of its buckets; the other side answers with
its entries of the buckets that differ; the first tells it what it lacks of these. So one entry
that differs among a thousand costs half a kilobyte and one bucket, and the one that answers keeps
nothing in mind.

A whole list is a confirmation. The lister held everything that is in it and, in the other buckets,
exactly what our digest says; so we now know every member that it knew when it made the list, and
if it held our own entry then, it counts (`node.joining`). A list that is broken off confirms
nothing.

One levelling at a time: the next peer usually has the same news, and after the first there is
nothing left to tell.
"""

from __future__ import annotations

from itertools import pairwise

import attrs

from gcounterd.errors import PeerError
from gcounterd.ids import NodeId
from gcounterd.members.buckets import bucket_of, differing
from gcounterd.members.roster import Entry, Roster, merge_entries
from gcounterd.node.effects import Effect, Send
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.messages import RosterDigest, RosterList
from gcounterd.node.peers import Link
from gcounterd.node.spreading import ENTRIES_PER_FRAME, Spreading, tell

# How long a levelling may take before another peer's turn comes.
LEVELLING_S = 5.0
# Entries in one answer, as many as a step of 5 ms allows for; the rest of the buckets comes when
# these are taken in. A bucket is never cut, so one that is larger goes in whole.
LISTED_MAX = 1000


@attrs.define(eq=False)
class _Levelling:
    """One under way: `left` messages are to come, of ids above `after`."""

    link: Link
    number: int
    deadline: float
    left: int | None = None
    after: NodeId | None = None


class Levelling:
    """What is being levelled, and what is listed to others; one per node."""

    def __init__(
        self, roster: Roster, intake: Intake, spreading: Spreading, joining: Joining
    ) -> None:
        self._roster = roster
        self._intake = intake
        self._spreading = spreading
        self._joining = joining
        self._number = 0
        self._open: _Levelling | None = None
        self._taking: list[NodeId] = []
        self._until = 0.0

    def is_busy(self, now: float) -> bool:
        """Say whether one is under way, or what the last one brought is not durable yet."""
        if self._open is not None:
            return now < self._open.deadline
        waiting = self._intake.members if self._taking else {}
        self._taking = [node for node in self._taking if node in waiting]
        return bool(self._taking) and now < self._until

    def begin(self, link: Link, now: float) -> list[Effect]:
        """Ask a peer for what it has in the buckets that differ."""
        self._number += 1
        self._until = now + LEVELLING_S
        self._open = _Levelling(link, self._number, self._until)
        return [Send((link.id,), RosterDigest(self._number, self._roster.bucket_hashes()))]

    def answer(self, link: Link, message: RosterDigest) -> list[Effect]:
        """Answer a peer's digest with our entries of the buckets that differ."""
        differ = differing(self._roster.bucket_hashes(), message.hashes)
        listed, entries = self._choose(differ)
        frames = [
            tuple(entries[at : at + ENTRIES_PER_FRAME])
            for at in range(0, len(entries), ENTRIES_PER_FRAME)
        ] or [()]
        holds = link.peer in self._roster
        return [
            Send(
                (link.id,),
                RosterList(message.number, listed, listed == differ, holds, left, frame),
            )
            for left, frame in zip(reversed(range(len(frames))), frames, strict=True)
        ]

    def _choose(self, buckets: int) -> tuple[int, list[Entry]]:
        """Return the buckets that one answer may have, at least one, and what is in them."""
        chosen = 0
        entries: list[Entry] = []
        while buckets:
            first = buckets & -buckets
            more = self._roster.in_buckets(first)
            if chosen and len(entries) + len(more) > LISTED_MAX:
                break
            chosen, buckets = chosen | first, buckets ^ first
            entries += more
        return chosen, entries

    def waits_for(self, link: Link, message: RosterList) -> bool:
        """Say whether a list is the answer to what was asked last; late ones are not."""
        levelling = self._open
        return levelling is not None and (levelling.link, levelling.number) == (
            link,
            message.number,
        )

    def take(self, link: Link, message: RosterList) -> list[Effect]:
        """Take in a peer's list, and tell it what it lacks; raise `PeerError` if it is none."""
        _check(message)
        levelling = self._open
        assert levelling is not None
        news = self._spreading.take(link, message.entries)
        self._taking += [entry.node for entry in news]
        if levelling.left is not None and message.left != levelling.left - 1:
            self._open = None  # a message was dropped on the way
            return []
        upto = message.entries[-1].node if message.left else None
        lacking = self._lacking(message, levelling.after, upto)
        levelling.left, levelling.after = message.left, upto
        if not message.left:
            self._open = None
            if message.whole and message.holds:
                self._joining.confirm(link.peer)
        return tell((link.id,), lacking)

    def _lacking(
        self, message: RosterList, after: NodeId | None, upto: NodeId | None
    ) -> list[Entry]:
        """Return what would change the lister's roster, of the ids that a message covers."""
        theirs = {entry.node: entry for entry in message.entries}
        return [
            mine
            for mine in self._roster.in_buckets(message.buckets)
            if (after is None or after < mine.node)
            and (upto is None or mine.node <= upto)
            and _adds(mine, theirs.get(mine.node))
        ]

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        if self._open is not None and self._open.link.id == link:
            self._open = None


def _check(message: RosterList) -> None:
    nodes = [entry.node for entry in message.entries]
    if any(not message.buckets >> bucket_of(node) & 1 for node in nodes):
        raise PeerError("bad_list", "an entry outside the buckets that are listed")
    if any(one >= two for one, two in pairwise(nodes)):
        raise PeerError("bad_list", "entries are not in order")
    if message.left and not nodes:
        raise PeerError("bad_list", "a list with nothing in it goes on")


def _adds(mine: Entry, theirs: Entry | None) -> bool:
    """Say whether our entry would change what the other side holds."""
    return theirs is None or merge_entries(theirs, mine) != theirs
