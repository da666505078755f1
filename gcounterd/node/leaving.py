"""Leaving: how a process ends that lives while its node is being removed.

Theory. It takes no more increments, commits what it took, and goes only when others hold all that
it holds: columns of any node, of any life. They learn of most of it anyway; what it waits for is
their word. While others go on counting, what it holds grows all the time. So it hands over what it
has, then takes nothing more in but from others who leave, declares its own column final, and hands
over the little that came meanwhile. It ends when every member that answers, one of them active,
holds everything, knows what is final, and has the same roster: so everybody it knows is known to
those that stay, and one of them takes increments.

`STEPS` is all of it. A process that is killed in any step and started again finds itself being
removed and begins anew; it counts nothing. If it is removed before it came to the end, because it
was not heard for a while, it goes on as one that comes back (`node.returning`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import attrs

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.roster import Entry, State
from gcounterd.node.closings import Closings
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Dial, Effect, Exit, Notice
from gcounterd.node.handing_over import HandingOver
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import Held
from gcounterd.node.saving import Savings

if TYPE_CHECKING:
    from gcounterd.node.node import Node

EXIT_REMOVED = 0
# Others that a refused client is told of.
OTHERS_SHOWN_MAX = 4
# In a large cluster it connects to so many at a time that have not been asked.
DIALS_PER_LOOK = 4
LOOK_EVERY_S = 0.1


class Phase(enum.Enum):
    """How far this process has come with its end."""

    STAYING = "staying"
    COMMITTING = "committing"
    HANDING_OVER = "handing over"
    PARTING = "parting"
    GONE = "gone"


@attrs.frozen
class Step:
    """One step: when it is over, what is done then, and which phase follows."""

    is_over: Callable[[Leaving], bool]
    then: Callable[[Leaving, float], list[Effect]]
    next: Phase


class Leaving:
    """The end of this process because of its node's removal; idle in nearly all of them."""

    def __init__(
        self, node: Node, closings: Closings, savings: Savings, handing_over: HandingOver
    ) -> None:
        self._own = node.config.node
        self._roster = node.roster
        self._counters = node.counters
        self._intake = node.intake
        self._peers = node.peers
        self._detector = node.detector
        self._dialler = node.dialler
        self._say_goodbye = node.leave
        self._closings = closings
        self._savings = savings
        self._handing_over = handing_over
        self._due = float("inf")
        self.phase = Phase.STAYING

    @property
    def active(self) -> bool:
        """Say whether this process is on its way out."""
        return self.phase is not Phase.STAYING

    @property
    def is_gone(self) -> bool:
        """Say whether it has come to its end."""
        return self.phase is Phase.GONE

    @property
    def is_mute(self) -> bool:
        """Say whether it takes in nothing more but what others who leave hand over."""
        return self.phase in (Phase.PARTING, Phase.GONE)

    def check(self) -> None:
        """Raise `ClientError` 503 `removing` where increments are refused."""
        if not self.active:
            return
        others = [self._roster.get(node) for node in self._staying()][:OTHERS_SHOWN_MAX]
        told = [
            {"node": self._roster.label(entry.node), "address": entry.address}
            for entry in others
            if entry is not None
        ]
        names = ", ".join(f"{each['node']} ({each['address']})" for each in told)
        where = f"count at another node: {names}" if told else "no other member answers"
        text = f"this node is being removed: {where}"
        raise ClientError(503, "removing", text, details={"others": told})

    def reasons(self) -> list[str]:
        """Return why this node is not ready, in words; empty where it stays."""
        if not self.active:
            return []
        waiting = [f"{self._roster.label(node)} {why}" for node, why in self.waiting()]
        return ["; ".join([f"this node is being removed: {self.phase.value}", *waiting])]

    # -- what happens -----------------------------------------------------------------------

    def look(self, now: float) -> list[Effect]:
        """Go on as far as it goes now; call it after commits and answers."""
        mine = self._roster.get(self._own)
        if mine is None or mine.state is not State.REMOVING:
            self.phase = Phase.STAYING if self.phase is not Phase.GONE else self.phase
            return []
        effects: list[Effect] = []
        if self.phase is Phase.STAYING:
            self.phase = Phase.COMMITTING
            self._due = now
            effects.append(Notice("removing", {"into": self._heir(mine)}))
        while self.phase in STEPS and STEPS[self.phase].is_over(self):
            step = STEPS[self.phase]
            effects += step.then(self, now)
            self.phase = step.next
        return effects

    def _heir(self, mine: Entry) -> str:
        return self._roster.label(mine.heir) if mine.heir is not None else ""

    def grown(self, columns: Iterable[ColumnId]) -> None:
        """Take note that these columns rose."""
        if self.is_mute:
            self._handing_over.offer_some(columns)

    def heard(self, link: Link, held: Held, now: float) -> list[Effect]:
        """Take an answer of a member in."""
        self._handing_over.heard(link, held, now)
        return self.look(now)

    # -- steps ------------------------------------------------------------------------------

    def is_committed(self) -> bool:
        """Say whether all that was added is durable."""
        return self._counters.writer.idle

    def is_handed_over(self) -> bool:
        """Say whether everyone who answers holds what was offered first."""
        reached = self._reached()
        return bool(self._staying()) and all(self._handing_over.holds(node) for node in reached)

    def may_go(self) -> bool:
        """Say whether nothing is left to wait for."""
        own = self._counters.writer.own
        is_written = self._counters.writer.idle and not self._counters.is_open(own)
        return is_written and not self._intake and not self.waiting()

    def offer(self, now: float) -> list[Effect]:
        """Begin to hand over."""
        self._handing_over.offer()
        return self._ask(now)

    def part(self, now: float) -> list[Effect]:
        """Take nothing more in, and say that nothing follows."""
        self._closings.finish()
        self._handing_over.offer()
        return self._ask(now)

    def go(self, now: float) -> list[Effect]:
        """End."""
        holders = ", ".join(self._roster.label(node) for node in self._staying())
        columns = self._handing_over.columns
        mine = self._roster.get(self._own)
        into = f" into {self._heir(mine)}" if mine is not None and mine.heir else ""
        text = (
            f"this node was removed{into}: all of its {columns} columns are held by {holders}. "
            "Its disk may be wiped when gcounterctl removals shows it as done"
        )
        notice = Notice("left_for_good", {"columns": columns})
        return [notice, *self._say_goodbye(), Exit(EXIT_REMOVED, text)]

    # -- members ----------------------------------------------------------------------------

    def _reached(self) -> list[NodeId]:
        """Return the other members that answer."""
        members = [entry.node for entry in self._roster.belonging()]
        lives = self._detector.lives
        return [node for node in members if node != self._own and lives(node)]

    def _staying(self) -> list[NodeId]:
        """Return those of them that are active."""
        entries = [self._roster.get(node) for node in self._reached()]
        return [each.node for each in entries if each is not None and each.state is State.ACTIVE]

    def waiting(self) -> list[tuple[NodeId, str]]:
        """Return whom this process waits for, and why."""
        own = self._own
        if self.phase is Phase.COMMITTING:
            return [(own, "writes what it counted to its disk")]
        if not self._staying():
            return [(own, self._why_alone())]
        saving = self._savings.get(own)
        waiting = []
        for node in self._reached():
            lacks = self._handing_over.lacks(node)
            if lacks:
                waiting.append((node, f"lacks {lacks} columns, or has not answered"))
            elif self.is_mute and not self._handing_over.agrees(node):
                waiting.append((node, "has another roster"))
            elif self.is_mute and saving is not None and not self._savings.agrees(saving, node):
                waiting.append((node, "does not know what is final"))
        return waiting

    def _why_alone(self) -> str:
        """Say why nobody takes over."""
        if any(entry.state is State.ACTIVE for entry in self._roster.belonging()):
            return "waits for an active member that answers"
        return (
            "finds no active member: all are removed; start them anew with --new-identity, which "
            "makes the data that of new nodes"
        )

    # -- time -------------------------------------------------------------------------------

    def _ask(self, now: float) -> list[Effect]:
        links = [self._peers.to(node, Channel.BULK) for node in self._reached()]
        return self._handing_over.ask([link for link in links if link is not None], now)

    def wake(self, now: float) -> list[Effect]:
        """Do what is due."""
        if not self.active or now < self._due:
            return []
        self._due = now + LOOK_EVERY_S
        effects = self.look(now)
        if self.phase in (Phase.HANDING_OVER, Phase.PARTING):
            effects += [*self._ask(now), *self._connect(now)]
        return effects

    def _connect(self, now: float) -> list[Effect]:
        """Connect to members not asked yet, where not everyone is connected to everyone."""
        if not is_crowded(self._roster):
            return []
        dials: list[Effect] = []
        for node in self._reached():
            entry = self._roster.get(node)
            linked = self._peers.to(node, Channel.CONTROL) is not None
            if entry is None or linked or self._handing_over.is_done(node):
                continue
            if len(dials) < DIALS_PER_LOOK and self._dialler.start(entry.address, now):
                dials.append(Dial(entry.address, Channel.CONTROL))
        return dials

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` where this process stays)."""
        return self._due if self.active and self.phase is not Phase.GONE else float("inf")


# By phase: when it is over, what is done then, and what follows.
STEPS: dict[Phase, Step] = {
    Phase.COMMITTING: Step(Leaving.is_committed, Leaving.offer, Phase.HANDING_OVER),
    Phase.HANDING_OVER: Step(Leaving.is_handed_over, Leaving.part, Phase.PARTING),
    Phase.PARTING: Step(Leaving.may_go, Leaving.go, Phase.GONE),
}
