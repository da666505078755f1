"""Removing: members that go for good, as one node takes part in it.

Theory. A removal is facts that merge: an entry that is *removing*, versions of columns that become
equal, an entry that is *removed*. Who lives hands over and stops (`leaving`), those that stay make
sure that they hold what is left (`saving`), and who was removed without knowing hands over when it
is back (`returning`). Anybody may begin any of it, any number of times, in any place; it is
finished by whoever can.

    draining   the target answers: it takes no increments, and hands over
    saving     it does not: the members level its columns
    closing    its entry is removed; members that answer learn of it
    done       all of them have

This module composes the parts, and says how far each removal has come. It refuses to know how they
work, and HTTP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, assert_never

import attrs

from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, NodeId, node_of
from gcounterd.members.claims import Liveness
from gcounterd.members.heirs import shown_as
from gcounterd.members.removals import Objection, Plan, Wish, plan
from gcounterd.members.roster import Entry, State
from gcounterd.node.effects import Drop, Effect, Notice
from gcounterd.node.guests import Guests
from gcounterd.node.handing_over import HandingOver
from gcounterd.node.leaving import Leaving
from gcounterd.node.messages import Channel, Hello, Refusal, Refused, RemovalMessage
from gcounterd.node.peers import Link
from gcounterd.node.removal_messages import HandOver, Held, Saved
from gcounterd.node.returning import Returning
from gcounterd.node.saving import Saving, Savings, columns_of

if TYPE_CHECKING:
    from gcounterd.node.node import Node


@attrs.frozen
class Report:
    """How far one removal has come, as this node sees it.

    phase      draining, saving, closing or done
    since      loop time at which this process learnt of it, None if it was done before
    live       the target answered then
    waiting    for whom, and why
    columns    of the target, as this node holds them: (version, final or 0)
    holders    who has shown the same, this node included
    not_asked  active members that have shown nothing, since they do not answer
    heard      loop time of the target's last message here, None for not in this life
    """

    entry: Entry
    phase: str
    since: float | None
    live: bool
    waiting: tuple[tuple[NodeId, str], ...]
    columns: dict[ColumnId, tuple[int, int]]
    holders: tuple[NodeId, ...]
    not_asked: tuple[NodeId, ...]
    heard: float | None


class Removing:
    """The removals in which this node takes part; one per node.

    late  how many increments of removed nodes were taken in after all, by node
    """

    def __init__(self, node: Node, now: float) -> None:
        """`node` has all its other parts already."""
        config, roster, counters = node.config, node.roster, node.counters
        intake, peers, detector = node.intake, node.peers, node.detector
        closings = node.settlement.closings
        self._config = config
        self._roster = roster
        self._counters = counters
        self._intake = intake
        self._peers = peers
        self._detector = detector
        self._heard: dict[NodeId, float] = {}
        self._ended: dict[NodeId, Report] = {}
        self.late: Counter[NodeId] = Counter()
        # What rose before this moment did so when the journal was replayed.
        self._risen = {entry.node: counters.base.risen(entry.node) for entry in roster}
        self._handing_over = handing_over = HandingOver(counters, roster)
        self.savings = Savings(node, now)
        self.leaving = Leaving(node, closings, self.savings, handing_over)
        self.returning = Returning(node, closings, handing_over, now)
        self.guests = Guests(node, self.returning)
        self._finish_abandoned()

    def _finish_abandoned(self) -> None:
        """Finish, as a new node on an old disk, the removals that no member is left to finish.

        Two that were both being removed, and no other, would keep their names for ever.
        """
        entries = self._roster.belonging()
        if self._config.node in self._roster or any(e.state is State.ACTIVE for e in entries):
            return
        left = [entry for entry in entries if entry.state is State.REMOVING]
        self._intake.take_entries(
            tuple([attrs.evolve(entry, state=State.REMOVED) for entry in left])
        )

    def check(self) -> None:
        """Raise `ClientError` where this node takes no increments because of its removal."""
        self.returning.check()
        self.leaving.check()

    def check_read(self) -> None:
        """Raise `ClientError` where this node must not be read because of its removal."""
        if self.returning.active and not self.returning.is_stranded:
            self.returning.check()

    def reasons(self) -> list[str]:
        """Return why this node is not ready though it may be read, in words; mostly empty."""
        if self.returning.active:
            return [self.returning.reason] if self.returning.is_stranded else []
        return self.leaving.reasons()

    def reasons_unread(self) -> list[str]:
        """Return why it must not even be read."""
        gone = self.returning.active and not self.returning.is_stranded
        return [self.returning.reason] if gone else []

    # -- beginning --------------------------------------------------------------------------

    def liveness(self, node: NodeId) -> Liveness:
        """Return what is believed of a member, this node included; a stranger is dead."""
        if node == self._config.node:
            return Liveness.ALIVE
        view = self._detector.view(node)
        return Liveness.DEAD if view is None else view.liveness

    def plan(self, wish: Wish) -> Plan:
        """Say what a wish would do; raise `ClientError` where it is refused."""
        mine = self._roster.get(self._config.node)
        if mine is None or mine.state not in (State.ACTIVE, State.REMOVING):
            text = "this node is no member that can remove others; ask another one"
            raise ClientError(503, "not_active", text)
        found = plan(self._roster, self.liveness, wish)
        if isinstance(found, Objection):
            if found.code == "unknown_node":
                raise ClientError(404, "unknown_node", found.text)
            raise ClientError(409, found.code, found.text)
        return found

    def begin(self, found: Plan, *, forced: bool) -> None:
        """Queue what a plan does for the next commit; what is removed already stays as it is."""
        heir = found.heir.node if found.heir is not None else None
        entries = [each for each in found.targets if each.state is not State.REMOVED]
        self._intake.take_entries(tuple([removing(each, heir, forced) for each in entries]))

    def object_to(self, holder: Entry) -> Objection | None:
        """Return why a member cannot be removed as dead, or None."""
        found = plan(self._roster, self.liveness, Wish((holder.node.hex(),), dead=True))
        return found if isinstance(found, Objection) else None

    def take_over(self, holder: Entry, heir: NodeId) -> None:
        """Remove a member into a newcomer of its name."""
        self._intake.take_entries((removing(holder, heir, forced=False),))

    # -- what happens -----------------------------------------------------------------------

    def merged(self, entries: Iterable[Entry], now: float) -> list[Effect]:
        """Take note of roster entries that are durable.

        Drops among the effects are of links that the caller has to forget.
        """
        nodes = [entry.node for entry in entries]
        before = [saving.target for saving in self.savings]
        ended = self.savings.merged(entries, now)
        effects: list[Effect] = []
        for saving in self.savings:
            if saving.target not in before:
                effects.append(self._notice("removal_started", saving.target))
        for node in ended:
            self._ended[node] = self.report(node)
            effects.append(self._notice("removed", node))
        for node in nodes:
            effects += self._turn_away(node)
        return effects

    def _notice(self, name: str, node: NodeId) -> Notice:
        entry = self._roster.get(node)
        into = self._roster.label(entry.heir) if entry is not None and entry.heir else ""
        member = self._roster.label(node)
        return Notice(name, {"member": member, "id": node.hex(), "into": into})

    def _turn_away(self, node: NodeId) -> list[Effect]:
        """Drop the links of a member that is removed: it learns why, if it lives after all."""
        entry = self._roster.get(node)
        if entry is None or entry.state is not State.REMOVED or node == self._config.node:
            return []
        refusal = removed(self._config.address)
        return [Drop(link.id, "removed", refusal) for link in self._peers.of(node)]

    def judge(self, hello: Hello) -> Refusal | None:
        """Return why a hello is refused because somebody is removed, or None."""
        if hello.nonce == self._config.nonce or hands_over(hello):
            return None  # we have dialled ourselves, or it knows
        if self.returning.active and hello.channel is Channel.BULK:
            return None  # a host of ours, whatever we know of it
        entry = self._roster.get(hello.node)
        if entry is not None and entry.state is State.REMOVED:
            return removed(self._config.address)
        if self.returning.active:
            text = "this node was removed itself; ask a member"
            return Refusal(Refused.YOUNG, text, self._config.address)
        return None

    def grown(self, columns: Iterable[ColumnId], now: float) -> None:
        """Take note that columns rose; those of removed nodes do so late."""
        self._count_late(dict.fromkeys(node_of(column) for column in columns))
        self.closed(columns, now)
        self.leaving.grown(columns)

    def turned(self, node: NodeId, now: float) -> None:
        """Take note that the residue of a node is another one now."""
        self._count_late([node])
        self.savings.turned(node, now)

    def _count_late(self, nodes: Iterable[NodeId]) -> None:
        """Count what closed columns of these nodes rose by since they were looked at last."""
        for node in nodes:
            entry, risen = self._roster.get(node), self._counters.base.risen(node)
            rise = risen - self._risen.get(node, 0)
            if rise > 0 and entry is not None and entry.state is State.REMOVED:
                self.late[node] += rise
            if rise:
                self._risen[node] = risen

    def closed(self, columns: Iterable[ColumnId], now: float) -> None:
        """Take note that columns are closed, or final."""
        self.savings.grown(columns, now)

    def hear(self, link: Link, now: float) -> None:
        """Take note that a peer said something."""
        self._heard[link.peer] = now

    def heard(self, node: NodeId) -> float | None:
        """Return when a node said something here last, None for not in this life."""
        return self._heard.get(node)

    def look(self, now: float) -> list[Effect]:
        """Go on with our own end as far as it goes now, after a commit."""
        return [*self.leaving.look(now), *self.returning.look(now)]

    def handle(self, link: Link, message: RemovalMessage, now: float) -> list[Effect]:
        """Handle a message about a removal, on an ordinary link."""
        match message:
            case HandOver():
                return self.guests.take_over(link, message, now)
            case Held():
                return self.leaving.heard(link, message, now)
            case Saved():
                effects = self.savings.take(link, message, now)
                self._note_holder(message.target, link.peer)
                return [*effects, *self.leaving.look(now)]
            case _:
                assert_never(message)

    def _note_holder(self, target: NodeId, peer: NodeId) -> None:
        """Add to a report who showed the same only after somebody had decided."""
        past, saving = self._ended.get(target), self.savings.get(target)
        if past is None or saving is None or not self.savings.holds(saving, peer):
            return
        entry = self._roster.get(peer)
        if entry is not None and entry.state is State.ACTIVE and peer not in past.holders:
            self._ended[target] = attrs.evolve(past, holders=(*past.holders, peer))

    def link_closed(self, link: Link) -> None:
        """Take note that a link is gone."""
        self._handing_over.closed(link.id)
        self.savings.link_closed(link)
        self.guests.closed(link.id)

    # -- reports ----------------------------------------------------------------------------

    def reports(self) -> list[Report]:
        """Return how far all removals have come that this node knows of, by node id."""
        return [self.report(entry.node) for entry in self._roster if entry.state >= State.REMOVING]

    def report(self, node: NodeId) -> Report:
        """Return how far the removal of a node has come, which must have begun."""
        entry, saving = self._roster.get(node), self.savings.get(node)
        assert entry is not None
        past = self._ended.get(node)
        if entry.state is State.REMOVED and past is not None:
            waiting = self.savings.waiting(saving) if saving is not None else []
            phase = "closing" if saving is not None else "done"
            columns = columns_of(self._counters, node)
            return attrs.evolve(
                past, entry=entry, phase=phase, waiting=tuple(waiting), columns=columns
            )
        return self._report_now(entry, saving)

    def _report_now(self, entry: Entry, saving: Saving | None) -> Report:
        active = [e.node for e in self._roster.belonging() if e.state is State.ACTIVE]
        holders, waiting, phase, live = [self._config.node], [], "done", False
        if saving is not None:
            holders += [node for node in active if self.savings.holds(saving, node)]
            is_own = entry.node == self._config.node
            waiting = self.leaving.waiting() if is_own else self.savings.waiting(saving)
            lives = is_own or self._detector.lives(entry.node)
            phase = "draining" if lives else "saving"
            is_over = saving.ended < float("inf") or (is_own and self.leaving.is_gone)
            phase, live = ("closing" if is_over else phase), saving.live
        absent = [n for n in active if n not in holders and not self._detector.lives(n)]
        return Report(
            entry,
            phase,
            saving.since if saving is not None else None,
            live,
            tuple(waiting),
            columns_of(self._counters, entry.node),
            tuple(holders),
            tuple(absent),
            self._heard.get(entry.node),
        )

    def shown_as(self, node: NodeId) -> str:
        """Return under whose name the counts of a node are shown."""
        return shown_as(self._roster, node)

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due. Drops among the effects are of links that the caller has to forget."""
        return [
            *self.savings.wake(now),
            *self.leaving.wake(now),
            *self.returning.wake(now),
            *self.guests.wake(now),
        ]

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing presses)."""
        due = min(self.savings.next_wake(), self.leaving.next_wake())
        return min(due, self.returning.next_wake(), self.guests.next_wake())


def removing(entry: Entry, heir: NodeId | None, forced: bool) -> Entry:
    """Return an entry as it is when its removal begins; an heir that it has stays beside."""
    heirs = [each for each in (entry.heir, heir) if each is not None]
    return attrs.evolve(
        entry,
        state=max(entry.state, State.REMOVING),
        heir=min(heirs) if heirs else None,
        forced=entry.forced or forced,
    )


def hands_over(hello: Hello) -> bool:
    """Say whether a hello is that of a removed node that only hands over what it holds."""
    return hello.returning and hello.channel is Channel.BULK


def removed(address: str) -> Refusal:
    """Return what a node is told that was removed."""
    text = "this node was removed from the cluster: hand over what you hold, and end"
    return Refusal(Refused.REMOVED, text, address)
