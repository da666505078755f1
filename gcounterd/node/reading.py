"""Consistent reads: asking every member for all that it has answered.

Theory. Whatever a member has acknowledged is applied there, so its heads, read after the question
arrived, cover every increment acknowledged before the question was put. The asker collects those
heads from every member not removed, including members that the answers name, fetches what it
lacks, and has then seen all of it. Nothing is decided by time: at the deadline the read ends with
the names of those it missed, and the caller must not call its value exact.

A member that is removed before it has answered will not answer. When it was removed the others held
what it had answered, but they may have been asked before; so all are asked anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import attrs

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.effects import Effect, ReadDone, Send
from gcounterd.node.messages import Answer, Ask, Channel
from gcounterd.node.peers import Link, Peers

# Reads under way at once; one more is refused by the caller.
READS_MAX = 1024


@attrs.define(eq=False)
class _Read:
    """public    the number that the caller knows it by, whatever number is asked with
    waiting   members not heard, and the link on which each was asked (None: not yet)
    answers   what each answer said we must reach
    """

    public: int
    deadline: float
    waiting: dict[NodeId, int | None]
    answers: dict[NodeId, dict[ColumnId, int]] = attrs.Factory(dict)


class Reading:
    """The consistent reads of one node."""

    def __init__(self, own: NodeId, counters: Counters, roster: Roster, peers: Peers) -> None:
        self._own = own
        self._counters = counters
        self._roster = roster
        self._peers = peers
        self._reads: dict[int, _Read] = {}
        self._number = 0

    def start(self, now: float, seconds: float) -> tuple[int, list[Effect]]:
        """Begin a read; it ends in one `ReadDone` of the number returned."""
        public = self._number + 1
        effects = self._begin(public, now + seconds)
        return public, [*effects, *self.finish(now)]

    def _begin(self, public: int, deadline: float) -> list[Effect]:
        self._number += 1
        waiting: dict[NodeId, int | None] = dict.fromkeys(
            entry.node for entry in self._roster.belonging() if entry.node != self._own
        )
        self._reads[self._number] = _Read(public, deadline, waiting)
        return self._ask(self._number)

    def merged(self, entries: Iterable[Entry]) -> list[Effect]:
        """Take note of roster entries that are durable: members may have been removed."""
        gone = [entry.node for entry in entries if self._is_removed(entry.node)]
        effects: list[Effect] = []
        for number, read in list(self._reads.items()):
            if any(node in read.waiting for node in gone):
                del self._reads[number]
                effects += self._begin(read.public, read.deadline)
        return effects

    def _is_removed(self, node: NodeId) -> bool:
        entry = self._roster.get(node)
        return entry is not None and entry.state is State.REMOVED

    def give_up(self) -> list[Effect]:
        """End all reads: nobody answers this node any more."""
        reads, self._reads = self._reads, {}
        return [ReadDone(read.public, ("this node",)) for read in reads.values()]

    def __len__(self) -> int:
        return len(self._reads)

    def _ask(self, number: int) -> list[Effect]:
        read = self._reads[number]
        effects: list[Effect] = []
        # What a frame cannot name counts as lacking; the oldest columns are the least likely to.
        heads = dict(itertools.islice(self._counters.heads().items(), OPEN_COLUMNS_MAX))
        settled = self._counters.settled.hash()
        for node, asked in read.waiting.items():
            link = self._peers.to(node, Channel.BULK)
            if link and link.id != asked:
                read.waiting[node] = link.id
                effects.append(Send((link.id,), Ask(number, heads, settled)))
        return effects

    def ask_missing(self) -> list[Effect]:
        """Ask those that could not be asked before, or whose link was replaced."""
        return [effect for number in self._reads for effect in self._ask(number)]

    def answer(self, link: Link, ask: Ask) -> list[Effect]:
        """Answer a peer's read: what we hold above its heads, and the members we know of.

        Of settled columns it has told its hash only: where that differs, all of them are named.
        """
        same = ask.settled == self._counters.settled.hash()
        held = self._counters.heads() if same else self._counters.all_heads()
        newer = {c: h for c, h in held.items() if h > ask.heads.get(c, 0)}
        members = tuple(self._roster.belonging())
        if max(len(newer), len(members)) > OPEN_COLUMNS_MAX:
            return []  # more than a frame can say; the asker names us as missed
        return [Send((link.id,), Answer(ask.number, newer, members))]

    def expects(self, link: Link, number: int) -> bool:
        """Say whether an answer of that number is waited for from the peer of `link`."""
        read = self._reads.get(number)
        return read is not None and link.peer in read.waiting

    def answered(self, link: Link, answer: Answer) -> list[Effect]:
        """Take in an answer; members that it names are asked too."""
        read = self._reads[answer.number]
        del read.waiting[link.peer]
        read.answers[link.peer] = answer.heads
        for entry in Roster(answer.entries).belonging():
            known = entry.node in read.answers or self._is_removed(entry.node)
            if entry.node != self._own and not known:
                read.waiting.setdefault(entry.node)
        return self._ask(answer.number)

    def finish(self, now: float) -> list[Effect]:
        """End the reads that have all they need, or no time left."""
        done: list[Effect] = []
        for number, read in list(self._reads.items()):
            missing = self._missing(read)
            if not missing or read.deadline <= now:
                del self._reads[number]
                labels = tuple(sorted(self._roster.label(node) for node in missing))
                done.append(ReadDone(read.public, labels))
        return done

    def _missing(self, read: _Read) -> list[NodeId]:
        """Return the members not heard, and those whose counts are not all here yet."""
        head = self._counters.head
        short = [
            node
            for node, heads in read.answers.items()
            if any(head(column) < target for column, target in heads.items())
        ]
        return [*read.waiting, *short]

    def next_wake(self) -> float:
        """Return the next deadline (`inf` without a read)."""
        return min((read.deadline for read in self._reads.values()), default=float("inf"))
