"""Membership: how the roster spreads, and when our entry in it becomes active.

Theory. Entries are facts that merge, so they may be told to anyone any number of times. A node only
tells what it holds durably. What changed is spread at once (`node.spreading`); what that misses is
found by hashes (`node.checks`) and made equal where they differ (`node.levelling`), so nobody tells
the whole roster unless all of it is news. Equal hashes, and lists that are whole, confirm a
newcomer, also on behalf of others (`node.holding`); a majority makes it active.

This module composes these and refuses to know how each of them works.
"""

from __future__ import annotations

from random import Random
from typing import assert_never

import attrs

from gcounterd.ids import show
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.approving import Approving
from gcounterd.node.checks import Checks
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Notice
from gcounterd.node.exchange import Exchange
from gcounterd.node.holding import Holding
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.levelling import Levelling
from gcounterd.node.messages import (
    Holders,
    MembershipMessage,
    RosterDigest,
    RosterList,
    StateHash,
)
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.peers import Link, Peers
from gcounterd.node.settling import Settling
from gcounterd.node.spreading import Spreading


class Membership:
    """The spreading of the roster; one per node."""

    def __init__(
        self,
        config: Config,
        roster: Roster,
        intake: Intake,
        peers: Peers,
        joining: Joining,
        exchange: Exchange,
        approving: Approving,
        settling: Settling,
        rng: Random,
    ) -> None:
        self._config = config
        self._roster = roster
        self._intake = intake
        self._joining = joining
        self._spreading = Spreading(roster, intake, peers, rng)
        self._levelling = Levelling(roster, intake, self._spreading, joining)
        self._checks = Checks(
            config, roster, peers, exchange, approving, joining, self._levelling, settling, rng
        )
        self._holding = Holding(config, roster, peers, joining, self._checks, rng)
        self._self_seeds: dict[str, None] = {}
        intake.take_entries((self._own_entry(),))

    # -- our own entry ----------------------------------------------------------------------

    def _own_entry(self) -> Entry:
        """Return our entry as this life writes it: joining if it is new and not alone."""
        config = self._config
        before = self._roster.get(config.node)
        state = State.JOINING if config.seeds else State.ACTIVE
        if before is not None:
            state = before.state
        return Entry(config.node, config.epoch, 0, config.name, config.address, state)

    def reopen(self, config: Config) -> None:
        """Write our entry anew: this process goes on in a new epoch."""
        self._config = config
        self._intake.take_entries((self._own_entry(),))

    def is_self(self, address: str) -> None:
        """Note that a seed turned out to be this node."""
        self._self_seeds[address] = None
        self.activate()

    def activate(self) -> None:
        """Become active where nothing is in the way: confirmed, or certainly alone."""
        mine = self._roster.get(self._config.node)
        if mine is None or mine.state is not State.JOINING:
            return
        alone = self._roster.size == 1 and all(s in self._self_seeds for s in self._config.seeds)
        if alone or self._joining.may_activate():
            self._intake.take_entries((attrs.evolve(mine, state=State.ACTIVE),))

    # -- peers ------------------------------------------------------------------------------

    def greet(self, link: Link, now: float) -> list[Effect]:
        """Compare with a peer whose bulk link opened."""
        self._joining.met(link.peer, link.hello.epoch)
        return self._checks.greet(link, now)

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._checks.closed(link)

    def handle(self, link: Link, message: MembershipMessage, now: float) -> list[Effect]:
        """Handle a message about the roster."""
        effects: list[Effect] = []
        match message:
            case RosterMessage(entries):
                self.take(link, entries)
            case StateHash():
                effects = self._checks.take(link, message, now)
            case RosterDigest():
                effects = self._levelling.answer(link, message)
            case RosterList():
                effects = self._checks.listed(link, message)
            case Holders():
                effects = self._holding.take(link, message, now)
            case _:
                assert_never(message)
        self.activate()
        return [*effects, *self._checks.go_on(now)]

    def take(self, link: Link, entries: tuple[Entry, ...]) -> None:
        """Queue what is new in a peer's entries; raise `PeerError` where that is too many."""
        self._spreading.take(link, entries)

    def compare(self, link: Link) -> list[Effect]:
        """Ask a peer to compare all that both hold, now."""
        return self._checks.compare(link)

    def level(self, link: Link, now: float) -> list[Effect]:
        """Make our roster and a peer's equal, if no other one is being levelled now."""
        return [] if self._levelling.is_busy(now) else self._levelling.begin(link, now)

    def merge(self, entries: tuple[Entry, ...], now: float) -> list[Effect]:
        """Take in entries that are durable, and pass on what changed."""
        changed, told = self._spreading.merge(entries, now)
        notices: list[Effect] = [
            Notice(
                "member",
                {"member": entry.name, "id": show(entry.node), "state": entry.state.name.lower()},
            )
            for entry in changed
        ]
        self._holding.merged(now)
        return [*notices, *told, *self._checks.merged(changed, now)]

    # -- time -------------------------------------------------------------------------------

    def wake(self, now: float) -> list[Effect]:
        """Do what is due."""
        return [*self._spreading.wake(now), *self._checks.wake(now), *self._holding.wake(now)]

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing presses)."""
        spreading, checks = self._spreading.next_wake(), self._checks.next_wake()
        return min(spreading, checks, self._holding.next_wake())
