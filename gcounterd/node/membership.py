"""Membership: how roster entries spread, and when ours becomes active.

Theory. Entries are facts that merge, so they may be told to anyone any number of times: all of
them when a bulk link opens, changed ones to everyone at once. A node only tells what it holds
durably; hence whoever is told its own entry by a peer knows that this peer holds it, and a
newcomer that a majority of the others has told so becomes active. A peer whose own entry changed
gets the whole roster along, so that the newcomer learns of everyone that its confirmers know.
"""

from __future__ import annotations

import attrs

from gcounterd.errors import PeerError
from gcounterd.ids import show
from gcounterd.members.roster import MEMBERS_MAX, Entry, Roster, State, merge_entries
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Notice, Send
from gcounterd.node.intake import Intake
from gcounterd.node.joining import Joining
from gcounterd.node.messages import Channel
from gcounterd.node.messages import Roster as RosterMessage
from gcounterd.node.peers import Link, Peers

# Entries of one roster frame: 200 of at most 400 bytes.
ENTRIES_PER_FRAME = 200


class Membership:
    """The spreading of the roster; one per node."""

    def __init__(
        self, config: Config, roster: Roster, intake: Intake, peers: Peers, joining: Joining
    ) -> None:
        self._config = config
        self._roster = roster
        self._intake = intake
        self._peers = peers
        self._joining = joining
        self._self_seeds: dict[str, None] = {}
        intake.take_entries((self._own_entry(),))

    def _own_entry(self) -> Entry:
        """Return our entry as this life writes it: joining if it is new and not alone."""
        config = self._config
        before = self._roster.get(config.node)
        state = State.JOINING if config.seeds else State.ACTIVE
        if before is not None:
            state = before.state
        return Entry(config.node, config.epoch, 0, config.name, config.address, state)

    def is_self(self, address: str) -> None:
        """Note that a seed turned out to be this node."""
        self._self_seeds[address] = None
        self.activate()

    def activate(self) -> None:
        """Become active where nothing is in the way: confirmed, or certainly alone."""
        mine = self._roster.get(self._config.node)
        if mine is None or mine.state is not State.JOINING:
            return
        alone = len(self._roster) == 1 and all(s in self._self_seeds for s in self._config.seeds)
        if alone or self._joining.may_activate():
            self._intake.take_entries((attrs.evolve(mine, state=State.ACTIVE),))

    def take(self, link: Link, message: RosterMessage) -> list[Effect]:
        """Queue what is new in a peer's entries, and tell it what it lacks."""
        theirs = {entry.node: entry for entry in message.entries}
        if self._config.node in theirs:
            self._joining.confirm(link.peer)
            self.activate()
        self.note(message.entries)
        if not message.whole:
            return []
        lacking = [mine for mine in self._roster if _adds(mine, theirs.get(mine.node))]
        return self._send(link, lacking, whole=False)

    def note(self, entries: tuple[Entry, ...]) -> None:
        """Queue what is new in `entries`; raise `PeerError` where it would be too many members."""
        news = self._roster.news(entries)
        nodes = dict.fromkeys([entry.node for entry in news] + self._intake.members)
        unknown = sum(node not in self._roster for node in nodes)
        if len(self._roster) + unknown > MEMBERS_MAX:
            raise PeerError("roster_full", f"more than {MEMBERS_MAX} members")
        self._intake.take_entries(news)

    def tell_all(self, link: Link) -> list[Effect]:
        """Tell a peer every entry."""
        return self._send(link, list(self._roster), whole=True)

    def merge(self, entries: tuple[Entry, ...]) -> list[Effect]:
        """Take in entries that are durable, and pass on what changed."""
        changed = self._roster.merge(entries)
        nodes = {entry.node: None for entry in changed}
        effects: list[Effect] = [
            Notice(
                "member",
                {"member": entry.name, "id": show(entry.node), "state": entry.state.name.lower()},
            )
            for entry in changed
        ]
        if changed:
            for link in self._peers.on(Channel.BULK):
                concerned = link.peer in nodes
                told = list(self._roster) if concerned else list(changed)
                effects += self._send(link, told, whole=concerned)
        return effects

    def _send(self, link: Link, entries: list[Entry], *, whole: bool) -> list[Effect]:
        whole = whole and len(entries) <= ENTRIES_PER_FRAME
        return [
            Send((link.id,), RosterMessage(tuple(entries[at : at + ENTRIES_PER_FRAME]), whole))
            for at in range(0, len(entries), ENTRIES_PER_FRAME)
        ]


def _adds(mine: Entry, theirs: Entry | None) -> bool:
    """Say whether our entry would change what the other side holds."""
    return theirs is None or merge_entries(theirs, mine) != theirs
