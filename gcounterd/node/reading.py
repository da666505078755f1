"""Consistent reads: asking every member for all that it has answered.

Theory. Whatever a member has acknowledged is applied there, so its heads, read after the question
arrived, cover every increment acknowledged before the question was put. A read needs such an answer
from every member not removed, members that the answers name included, and all that the answers
named; then it has seen all of it. Reads that wait at the same time share questions
(`node.inquiries`): a read that begins at a *moment* needs every member to be covered up to it.
Nothing is decided by time: at the deadline the read ends with the names of those it missed, and the
caller must not call its value exact.

A member that is removed before it has answered will not answer. When it was removed the others held
what it had answered, but they may have been asked before; so all reads begin anew, at the moment at
which that is known here.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.effects import Effect, ReadDone
from gcounterd.node.inquiries import Inquiries
from gcounterd.node.peers import Link
from gcounterd.node.reading_messages import Answer

# Reads under way at once; one more is refused by the caller.
READS_MAX = 1024


@attrs.define(eq=False)
class _Read:
    """The moment up to which a read needs every member covered, and when it ends at the latest."""

    moment: int
    deadline: float


class Reading:
    """The consistent reads of one node, in the order in which they began."""

    def __init__(self, own: NodeId, roster: Roster, inquiries: Inquiries) -> None:
        self._own = own
        self._roster = roster
        self._inquiries = inquiries
        self._reads: dict[int, _Read] = {}
        self._number = 0
        self._moment = 0
        # Members that the oldest read waits for, and the earliest deadline or one before it.
        self._short: dict[NodeId, None] = {}
        self._deadline = float("inf")

    def __len__(self) -> int:
        return len(self._reads)

    def start(self, now: float, seconds: float) -> tuple[int, list[Effect]]:
        """Begin a read; it ends in one `ReadDone` of the number returned."""
        if not self._reads:
            belonging = [entry.node for entry in self._roster.belonging()]
            self._inquiries.attend(node for node in belonging if node != self._own)
        self._number += 1
        self._moment += 1
        self._reads[self._number] = _Read(self._moment, now + seconds)
        self._deadline = min(self._deadline, now + seconds)
        if len(self._reads) == 1:
            self._look_for_short()
        effects = self._ask(self._inquiries.members, now)
        return self._number, [*effects, *self.finish(now)]

    @property
    def _newest(self) -> int:
        """Return the moment that some read needs; none needs a later one."""
        return self._reads[next(reversed(self._reads))].moment if self._reads else 0

    def _ask(self, nodes: Iterable[NodeId], now: float) -> list[Effect]:
        return self._inquiries.ask(nodes, self._newest, self._moment, now)

    # -- members ----------------------------------------------------------------------------

    def linked(self, node: NodeId, now: float) -> list[Effect]:
        """Ask a member to whom a link has opened."""
        return self._ask([node], now) if node in self._inquiries.members else []

    def unlinked(self) -> list[NodeId]:
        """Return the members that reads wait for and that no link leads to."""
        return self._inquiries.unlinked(self._newest) if self._reads else []

    def uses(self, node: NodeId) -> bool:
        """Say whether a read expects something on the link to a member."""
        return bool(self._reads) and self._inquiries.uses(node)

    def merged(self, entries: Iterable[Entry], now: float) -> list[Effect]:
        """Take note of roster entries that are durable: members may have come, or been removed."""
        if not self._reads:
            return []
        nodes = [entry.node for entry in entries]
        removed = [node for node in nodes if self._is_removed(node)]
        if [node for node in removed if self._inquiries.remove(node)]:
            self._begin_anew()
        self._meet(node for node in nodes if node in self._roster)
        return [*self._ask(self._inquiries.members, now), *self.finish(now)]

    def _begin_anew(self) -> None:
        self._moment += 1
        for read in self._reads.values():
            read.moment = self._moment
        self._look_for_short()

    def _meet(self, nodes: Iterable[NodeId]) -> list[NodeId]:
        """Ask these members too, unless they are removed; return those that were not asked."""
        met = [node for node in nodes if node != self._own and not self._is_removed(node)]
        new = [node for node in met if self._inquiries.add(node)]
        self._short |= dict.fromkeys(new)
        return new

    def _is_removed(self, node: NodeId) -> bool:
        entry = self._roster.get(node)
        return entry is not None and entry.state is State.REMOVED

    def give_up(self) -> list[Effect]:
        """End all reads: nobody answers this node any more."""
        reads, self._reads, self._short = self._reads, {}, {}
        return [ReadDone(number, ("this node",)) for number in reads]

    def agreed(self) -> bool:
        """Say whether everybody that was asked last knew the members that this node knew."""
        return all(inquiry.agrees for inquiry in self._inquiries.members.values())

    # -- answers ----------------------------------------------------------------------------

    def expects(self, link: Link, number: int) -> bool:
        """Say whether an answer of that number is waited for on a link."""
        return self._inquiries.expects(link, number)

    def answered(self, link: Link, answer: Answer, now: float) -> list[Effect]:
        """Take in an answer; members that it names are asked too. Raises `PeerError`."""
        self._inquiries.answered(link, answer, now)
        named = [entry.node for entry in answer.entries if entry.state is not State.REMOVED]
        new = self._meet(named) if self._reads else []
        return [*self._ask([link.peer, *new], now), *self.finish(now)]

    # -- ending -----------------------------------------------------------------------------

    def finish(self, now: float) -> list[Effect]:
        """End the reads that have all they need, or no time left; ask on where that waited."""
        reached = self._inquiries.reach()
        for node in reached:
            self._note(node)
        done: list[Effect] = []
        while self._reads and not self._short:
            done += self._end_covered()
        if now >= self._deadline:
            done += self._end_late(now)
        return [*done, *self._ask(reached, now)]

    def _note(self, node: NodeId) -> None:
        """See whether the oldest read still waits for a member."""
        if node in self._short:
            oldest = self._reads[next(iter(self._reads))]
            if self._inquiries.members[node].covered >= oldest.moment:
                del self._short[node]

    def _look_for_short(self) -> None:
        oldest = self._reads[next(iter(self._reads))].moment if self._reads else 0
        members = self._inquiries.members
        self._short = {node: None for node, i in members.items() if i.covered < oldest}

    def _end_covered(self) -> list[Effect]:
        """End the reads that began up to the moment up to which all members are covered."""
        members = self._inquiries.members.values()
        covered = min([inquiry.covered for inquiry in members], default=self._moment)
        done: list[Effect] = []
        for number, read in list(self._reads.items()):
            if read.moment > covered:
                break
            del self._reads[number]
            done.append(ReadDone(number, ()))
        self._look_for_short()
        return done

    def _end_late(self, now: float) -> list[Effect]:
        """End the reads whose time is up, with the names of those they missed."""
        done: list[Effect] = []
        for number, read in list(self._reads.items()):
            if read.deadline <= now:
                del self._reads[number]
                members = self._inquiries.members.items()
                missing = [node for node, i in members if i.covered < read.moment]
                labels = tuple(sorted(self._roster.label(node) for node in missing))
                done.append(ReadDone(number, labels))
        deadlines = [read.deadline for read in self._reads.values()]
        self._deadline = min(deadlines, default=float("inf"))
        self._look_for_short()
        return done

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Ask again what was lost, and end what is due."""
        if not self._reads:
            return []
        effects = self._inquiries.wake(self._newest, self._moment, now)
        return [*effects, *self.finish(now)]

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` without a read)."""
        return min(self._deadline, self._inquiries.due) if self._reads else float("inf")
