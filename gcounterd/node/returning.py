"""Returning: what a process does whose node was removed without it.

Theory. It was cut off, or its disk was started again long after; so it may hold what nobody else
does: counts of its own, or of others that only it has met. It is told when it says hello, before
anything else. Then it serves nobody, since nobody asks it any more, and hands over everything, as a
guest on bulk links of its own: whoever it hands over to takes from it as from any peer. It merges
its roster with theirs, so that each side knows whom the other knows.

It ends when every member that it reaches, and more than half of the active ones, hold all of it.
If the merged roster has no active member, because two sides of a split have removed each other, it
stays: somebody has to keep what all of them hold. It takes no increments, but is read, and says the
way out: to start on this disk as a new node.

This module refuses to know what the other side does with a guest (`node.guests`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from gcounterd.errors import ClientError
from gcounterd.ids import NodeId
from gcounterd.members.roster import State
from gcounterd.node.closings import Closings
from gcounterd.node.effects import Dial, Effect, Exit, Notice
from gcounterd.node.handing_over import HandingOver
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import Held

if TYPE_CHECKING:
    from gcounterd.node.node import Node

EXIT_RETURNED = 5
# How often each member is tried that no link leads to, and how often progress is looked at.
DIAL_EVERY_S = 2.0
LOOK_EVERY_S = 0.1
# Addresses tried at a time.
DIALS_MAX = 8


@attrs.define(eq=False)
class _Place:
    """An address: when it is tried next, and whether it is known by now who answers there."""

    due: float = 0.0
    known: bool = False
    dialling: bool = False


class Returning:
    """The end of this process because its node is removed already; idle in nearly all of them.

    told_by  who said so first, "" where our own disk does
    """

    def __init__(
        self, node: Node, closings: Closings, handing_over: HandingOver, now: float
    ) -> None:
        self._config = node.config
        self._roster = node.roster
        self._counters = node.counters
        self._intake = node.intake
        self._dialler = node.dialler
        self._level_roster = node.membership.level
        self._closings = closings
        self._handing_over = handing_over
        self._hosts: dict[int, Link] = {}
        self._places: dict[str, _Place] = {}
        self._due = now
        self._told = False
        self._is_over = False
        self.told_by = ""

    @property
    def active(self) -> bool:
        """Say whether this process knows that its node is removed."""
        return self._told or self.is_removed

    @property
    def is_removed(self) -> bool:
        """Say whether our own roster says so, durably."""
        mine = self._roster.get(self._config.node)
        return mine is not None and mine.state is State.REMOVED

    @property
    def is_stranded(self) -> bool:
        """Say whether nobody is left to hand over to: all whom we know are removed."""
        return self.is_removed and not self._active_members()

    def check(self) -> None:
        """Raise `ClientError` 503 `removed` where increments are refused."""
        if self.active:
            raise ClientError(503, "removed", self.reason)

    @property
    def reason(self) -> str:
        """Return why this node serves nothing, in words."""
        if self.is_stranded:
            return (
                "this node was removed, and so was every other that it knows: start it with "
                "--new-identity, which makes its data that of a new node"
            )
        done = sum(self._is_done(link) for link in self._member_links())
        return (
            f"this node was removed; it hands over what it holds and ends: {done} of "
            f"{len(self._active_members())} active members hold all of it"
        )

    def _active_members(self) -> list[NodeId]:
        entries = self._roster.belonging()
        own = self._config.node
        return [e.node for e in entries if e.state is State.ACTIVE and e.node != own]

    # -- being told -------------------------------------------------------------------------

    def told(self, address: str, now: float) -> list[Effect]:
        """Take note that a member says that we are removed."""
        if self.active:
            return []
        self._told, self.told_by = True, address
        self._due = now
        self._places[address] = _Place()
        return [Notice("returns", {"told_by": address})]

    # -- links ------------------------------------------------------------------------------

    def dials(self, now: float) -> list[Effect]:
        """Return what to dial now; each ends in `opened` or in `dial_failed`."""
        for address in self._addresses():
            self._places.setdefault(address, _Place())
        linked = dict.fromkeys(link.dialled for link in self._hosts.values())
        dialling = sum(place.dialling for place in self._places.values())
        effects: list[Effect] = []
        for address, place in self._places.items():
            ready = now >= place.due and not place.dialling and address not in linked
            if ready and dialling + len(effects) < DIALS_MAX:
                place.dialling, place.due = True, now + DIAL_EVERY_S
                effects.append(Dial(address, Channel.BULK))
        return effects

    def _addresses(self) -> list[str]:
        """Return where members may be met: those that belong, and whom we were told to join."""
        entries = self._roster.belonging()
        own = self._config.address
        found = [entry.address for entry in entries if entry.node != self._config.node]
        told = (*self._config.seeds, *self._dialler.unmet)
        return [address for address in (*found, *told) if address != own]

    def opened(self, link: Link, now: float) -> list[Effect]:
        """Hand over on a link that was opened for it."""
        self._note(link.dialled)
        self._hosts[link.id] = link
        return [*self._level_roster(link, now), *self._handing_over.ask([link], now)]

    def dial_failed(self, address: str) -> None:
        """Take note that a dial came to nothing."""
        self._note(address)

    def _note(self, address: str | None) -> None:
        place = self._places.get(address or "")
        if place is not None:
            place.dialling, place.known = False, True

    def closed(self, link: int) -> None:
        """Take note that a link is gone: whether its peer answers has to be found out again."""
        gone = self._hosts.pop(link, None)
        place = self._places.get(gone.dialled or "") if gone is not None else None
        if place is not None:
            place.known = False

    def heard(self, link: Link, held: Held, now: float) -> list[Effect]:
        """Take an answer of a host in; it may have to know of members that we know."""
        self._handing_over.heard(link, held, now)
        if link.id in self._hosts and not self._handing_over.agrees(link.peer):
            return self._level_roster(link, now)
        return self.look(now)

    # -- progress ---------------------------------------------------------------------------

    def look(self, now: float) -> list[Effect]:
        """End if nothing is left to wait for."""
        if not self.is_removed or self._is_over or not self._counters.writer.idle:
            return []
        if not self._closings.finished:
            self._closings.finish()
        if self._intake or self._counters.is_open(self._counters.writer.own):
            return []
        self._handing_over.offer()
        if self.is_stranded or not self._is_held_by_all():
            return []
        self._is_over = True
        return self._go()

    def _is_held_by_all(self) -> bool:
        """Say whether everyone who is reached holds all, and more than half of the active ones."""
        members = self._active_members()
        if not all(self._is_done(link) for link in self._member_links()):
            return False
        for entry in self._roster.belonging():
            place = self._places.get(entry.address)
            if entry.address != self._config.address and not (place and place.known):
                return False
        done = {link.peer: None for link in self._member_links()}
        return 2 * sum(node in done for node in members) > len(members)

    def _member_links(self) -> list[Link]:
        """Return the links to hosts that belong; others are on their way out themselves."""
        belonging = {entry.node: None for entry in self._roster.belonging()}
        return [link for link in self._hosts.values() if link.peer in belonging]

    def _is_done(self, link: Link) -> bool:
        return self._handing_over.is_done(link.peer)

    def _go(self) -> list[Effect]:
        done = {link.peer: None for link in self._member_links()}
        holders = ", ".join(self._roster.label(node) for node in done)
        columns, refused = self._handing_over.columns, len(self._handing_over.refused)
        lost = f" {refused} of them were refused, since they are forgotten." if refused else ""
        text = (
            f"this node was removed from the cluster. All of its {columns} columns are held by "
            f"{holders}.{lost} Do not start it again on this disk; to join afresh, start it with "
            "--new-identity, which keeps the data as that of others, or on an empty --data-dir"
        )
        fields: dict[str, str | int | float] = {"columns": columns, "refused": refused}
        return [Notice("returned", fields), Exit(EXIT_RETURNED, text)]

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due."""
        if not self.active or now < self._due:
            return []
        self._due = now + LOOK_EVERY_S
        return [
            *self.look(now),
            *self._handing_over.ask(self._hosts.values(), now),
            *self.dials(now),
        ]

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` where this node is not removed)."""
        return self._due if self.active and not self._is_over else float("inf")
