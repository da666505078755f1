"""Saving: how members make sure that they hold all that is left of a member, and let it go.

Theory. Its columns are levelled like all others; what is missing is that somebody knows. So while a
removal is unfinished each member shows its peers one hash over the target's columns, their versions
and what is final, together with the fact that it holds the entry by which the target is removed.
Where the hashes of two differ, they tell each other their versions at once.

An active member writes `removed` when the target does not answer any more, and every active member
that answers, and a majority of all active ones, has shown it the same as it holds itself. Then
whoever is asked later, in any majority, has these columns. A removal that was forced waits for no
majority. The members to be removed take no part. Nobody coordinates: all may decide, at the same
time or again after a crash, and write the same.

Afterwards the same words show who knows that the target is removed. This module refuses to know how
a target that lives makes its end (`node.leaving`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.ids import ID_BYTES, ColumnId, NodeId, node_of
from gcounterd.members.buckets import HASH_BYTES
from gcounterd.members.roster import Entry, State
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Dial, Effect, Send
from gcounterd.node.messages import Channel, Digest
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import Saved
from gcounterd.node.spreading import tell

# Peers that have not shown what we hold are asked so often; whether all have is looked at more
# often, since a target that left is seen by the detector.
ASK_EVERY_S = 1.0
LOOK_EVERY_S = 0.25
# How often two that differ tell each other their versions.
LEVEL_EVERY_S = 0.25
# In a large cluster the first of the living active members connects to so many others at a time.
DIALS_PER_LOOK = 4

if TYPE_CHECKING:
    from gcounterd.node.node import Node


@attrs.define(eq=False)
class Saving:
    """One removal that is not finished.

    since   when this process learnt of it, and `live` whether the target answered then
    ended   when the target was removed, `inf` while it is not
    print   of what this node holds of it, None where that is to be worked out
    shown   what each peer showed last, and told  what was said last on each link
    """

    target: NodeId
    since: float
    live: bool
    ended: float = float("inf")
    print: bytes | None = None
    shown: dict[NodeId, Saved] = attrs.Factory(dict)
    told: dict[int, Saved] = attrs.Factory(dict)
    levelled: dict[int, float] = attrs.Factory(dict)


def columns_of(counters: Counters, node: NodeId) -> dict[ColumnId, tuple[int, int]]:
    """Return (version, final) of what is held of a node's columns, in their order."""
    found = {c: (h, 0) for c, h in counters.heads().items() if node_of(c) == node}
    lines = counters.settled.between(node + bytes(ID_BYTES), node + b"\xff" * ID_BYTES)
    found |= {column: (line.version, line.final) for column, line in lines.items()}
    return {column: ends for column, ends in sorted(found.items()) if any(ends)}


def print_of(columns: dict[ColumnId, tuple[int, int]]) -> bytes:
    """Return 16 bytes that are equal where columns, versions and finals are."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for column, (version, final) in columns.items():
        digest.update(column + version.to_bytes(8, "big") + final.to_bytes(8, "big"))
    return digest.digest()


class Savings:
    """The removals that are not finished; one per node."""

    def __init__(self, node: Node, now: float) -> None:
        self._own = node.config.node
        self._roster = node.roster
        self._counters = node.counters
        self._intake = node.intake
        self._peers = node.peers
        self._detector = node.detector
        self._dialler = node.dialler
        self._settling = node.settlement.settling
        self._open: dict[NodeId, Saving] = {}
        self._look_due = self._ask_due = now
        self.merged(node.roster.belonging(), now)

    def __iter__(self) -> Iterator[Saving]:
        return iter(self._open.values())

    def get(self, node: NodeId) -> Saving | None:
        """Return the unfinished removal of a node, if there is one."""
        return self._open.get(node)

    # -- what changes here ------------------------------------------------------------------

    def merged(self, entries: Iterable[Entry], now: float) -> list[NodeId]:
        """Take note of entries that are durable; return those of them that are removed by now."""
        ended = []
        for node in [entry.node for entry in entries]:
            entry, saving = self._roster.get(node), self._open.get(node)
            assert entry is not None
            if saving is None and entry.state is State.REMOVING:
                self._open[node] = Saving(node, now, self._detector.lives(node))
                self._look_due = self._ask_due = now
            elif saving is not None and entry.state is State.REMOVED and saving.ended > now:
                saving.ended = now
                self._look_due = self._ask_due = now
                ended.append(node)
        return ended

    def grown(self, columns: Iterable[ColumnId], now: float) -> None:
        """Take note that what is held of these columns, or known of their ends, changed."""
        for node in dict.fromkeys(node_of(column) for column in columns):
            self.turned(node, now)

    def turned(self, node: NodeId, now: float) -> None:
        """Take note that what is held of a node's columns changed, columns or sum."""
        saving = self._open.get(node)
        if saving is not None:
            saving.print = None
            self._look_due = self._ask_due = now

    def link_closed(self, link: Link) -> None:
        """Take note that a link is gone: its peer may come back with another disk."""
        for saving in self._open.values():
            saving.told.pop(link.id, None)
            saving.levelled.pop(link.id, None)
            if link.channel is Channel.BULK and not link.guest:
                saving.shown.pop(link.peer, None)

    # -- words ------------------------------------------------------------------------------

    def say(self, target: NodeId, *, asks: bool) -> Saved:
        """Return what we show of a target that is removed or being removed."""
        saving, entry = self._open.get(target), self._roster.get(target)
        print_ = saving.print if saving is not None else None
        if print_ is None:
            print_ = print_of(columns_of(self._counters, target))
        if saving is not None:
            saving.print = print_
        return Saved(target, print_, entry is not None and entry.state is State.REMOVED, asks)

    def take(self, link: Link, saved: Saved, now: float) -> list[Effect]:
        """Take in what a peer shows; answer, and level where it differs."""
        entry = self._roster.get(saved.target)
        if entry is None or entry.state < State.REMOVING:
            return []  # its entry comes with the roster
        mine = self.say(saved.target, asks=False)
        effects: list[Effect] = [Send((link.id,), mine)] if saved.asks else []
        saving = self._open.get(saved.target)
        if saving is not None:
            saving.shown[link.peer] = saved
            self._look_due = now
        if saved.columns != mine.columns:
            effects += self._level(saving, saved.target, link, now)
        return effects

    def _level(self, saving: Saving | None, target: NodeId, link: Link, now: float) -> list[Effect]:
        """Tell a peer which versions of a target's columns we hold, and what is final."""
        if saving is not None and now < saving.levelled.get(link.id, 0.0) + LEVEL_EVERY_S:
            return []
        if saving is not None:
            saving.levelled[link.id] = now
        columns = columns_of(self._counters, target)
        heads = [(column, version) for column, (version, _) in columns.items()]
        digests: list[Effect] = [
            Send((link.id,), Digest(dict(heads[at : at + OPEN_COLUMNS_MAX]), whole=False))
            for at in range(0, len(heads), OPEN_COLUMNS_MAX)
        ]
        return [*digests, *self._settling.tell([link], columns)]

    def _ask(self, saving: Saving) -> list[Effect]:
        """Tell peers what changed since they were told, and ask those that differ."""
        effects: list[Effect] = []
        for link in self._peers.on(Channel.BULK):
            if link.peer == saving.target:
                continue
            said = self.say(saving.target, asks=not self.agrees(saving, link.peer))
            if link.peer not in saving.shown:
                effects += tell((link.id,), [self._roster.get(saving.target)])
            if said.asks or saving.told.get(link.id) != said:
                saving.told[link.id] = said
                effects.append(Send((link.id,), said))
        return effects

    def holds(self, saving: Saving, node: NodeId) -> bool:
        """Say whether a peer has shown the versions that this node holds."""
        shown = saving.shown.get(node)
        return shown is not None and shown.columns == self.say(saving.target, asks=False).columns

    def agrees(self, saving: Saving, node: NodeId) -> bool:
        """Say whether a peer has shown all that this removal waits for, as far as it has come."""
        if saving.ended == float("inf"):
            return self.holds(saving, node)
        shown = saving.shown.get(node)
        return shown is not None and shown.removed

    # -- what is waited for -----------------------------------------------------------------

    def waiting(self, saving: Saving) -> list[tuple[NodeId, str]]:
        """Return whom a removal waits for, and why, as this member sees it."""
        if saving.ended < float("inf"):
            return [
                (entry.node, "has not shown that it knows of the removal")
                for entry in self._roster.belonging()
                if self._is_awaited(entry.node) and not self.agrees(saving, entry.node)
            ]
        if saving.target == self._own or self._detector.lives(saving.target):
            return [(saving.target, "still answers: it hands over what it holds and stops")]
        return [*self._short_of(saving), *self._unequal(saving)]

    def _is_awaited(self, node: NodeId) -> bool:
        return node != self._own and self._detector.lives(node)

    def _unequal(self, saving: Saving) -> list[tuple[NodeId, str]]:
        """Return the active members that answer differently, or lack for a majority."""
        active = [e.node for e in self._roster.belonging() if e.state is State.ACTIVE]
        agreeing = [n for n in active if n == self._own or self.agrees(saving, n)]
        waiting = [
            (node, "holds other versions" if node in saving.shown else "has not shown what it has")
            for node in active
            if self._is_awaited(node) and not self.agrees(saving, node)
        ]
        entry = self._roster.get(saving.target)
        if 2 * len(agreeing) <= len(active) and not (entry is not None and entry.forced):
            why = "does not answer, and more than half of the active members must"
            missing = [node for node in active if node not in agreeing]
            waiting += [(node, why) for node in missing if not self._is_awaited(node)]
        return waiting

    def _short_of(self, saving: Saving) -> list[tuple[NodeId, str]]:
        """Return the target where its last version is known and nobody that answers holds it."""
        entry = self._roster.get(saving.target)
        ends = columns_of(self._counters, saving.target).values()
        if (entry is not None and entry.forced) or all(final <= v for v, final in ends):
            return []
        return [(saving.target, "has the last version of a column: start it once more")]

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        if self._open and now >= self._look_due:
            self._look_due = now + LOOK_EVERY_S
            self._look()
            effects += self._connect(now)
        if self._open and now >= self._ask_due:
            self._ask_due = now + ASK_EVERY_S
            effects += [effect for saving in self._open.values() for effect in self._ask(saving)]
        return effects

    def _look(self) -> None:
        """End the removals that wait for nobody."""
        mine = self._roster.get(self._own)
        for saving in list(self._open.values()):
            entry = self._roster.get(saving.target)
            assert entry is not None
            if self.waiting(saving):
                continue
            if saving.ended < float("inf"):
                del self._open[saving.target]
            elif mine is not None and mine.state is State.ACTIVE:
                self._intake.take_entries((attrs.evolve(entry, state=State.REMOVED),))

    def _connect(self, now: float) -> list[Effect]:
        """Connect to members that have to be asked, where not everyone is connected to everyone."""
        active = [e for e in self._roster.belonging() if e.state is State.ACTIVE]
        living = [e for e in active if e.node == self._own or self._detector.lives(e.node)]
        if not is_crowded(self._roster) or not living or living[0].node != self._own:
            return []
        dials: list[Effect] = []
        for entry in living[1:]:
            linked = self._peers.to(entry.node, Channel.CONTROL) is not None
            asked = all(entry.node in saving.shown for saving in self._open.values())
            if not (linked or asked) and self._dialler.start(entry.address, now):
                dials.append(Dial(entry.address, Channel.CONTROL))
            if len(dials) == DIALS_PER_LOOK:
                break
        return dials

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if no removal is unfinished)."""
        return min(self._look_due, self._ask_due) if self._open else float("inf")
