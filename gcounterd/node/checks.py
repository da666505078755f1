"""Checks: comparing with a peer by hash, when a link opens and from time to time.

Theory. Two nodes that hold the same need not tell each other so at length: hashes of the roster,
of the heads of open columns and of settled columns are exchanged, and only the part that differs is
followed up: the roster by `node.levelling`, heads by a whole digest (`node.exchange`), settled
columns page by page (`node.settling`). Equal hashes mean what the full
exchange would have meant: a peer with our roster holds our entry and knows nobody that we do not
know, so it confirms us; a peer with our heads has nothing that we lack.

The side that dialled asks, when the link opens and every half minute; the other only answers. In a
large cluster, where what changed is not told to everyone (`node.spreading`), whoever took a change
in asks a random peer now and then for a while. A newcomer asks everyone that has not confirmed it,
whenever its roster has grown and each second.
"""

from __future__ import annotations

from random import Random

from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.approving import Approving
from gcounterd.node.config import Config
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Effect, Send
from gcounterd.node.exchange import Exchange
from gcounterd.node.joining import Joining
from gcounterd.node.levelling import Levelling
from gcounterd.node.messages import Channel, RosterList, StateHash
from gcounterd.node.peers import Link, Peers
from gcounterd.node.settling import Settling
from gcounterd.node.spreading import tell

# How often a newcomer asks those that have not confirmed it, at least and at most, and how many
# of them in a cluster where it is not connected to everyone.
CONFIRM_EVERY_S = 1.0
CONFIRM_GAP_S = 0.1
CONFIRM_FAN_OUT = 3
# After a change in a large cluster: how often and how soon a random peer is asked whether it missed
# it. Spreading misses one in fifty; each look leaves a third of them.
LOOKS = 3
LOOK_S = 1.0


class Checks:
    """Comparisons with peers; one per node."""

    def __init__(
        self,
        config: Config,
        roster: Roster,
        peers: Peers,
        exchange: Exchange,
        approving: Approving,
        joining: Joining,
        levelling: Levelling,
        settling: Settling,
        rng: Random,
    ) -> None:
        self._config = config
        self._roster = roster
        self._peers = peers
        self._exchange = exchange
        self._approving = approving
        self._joining = joining
        self._levelling = levelling
        self._settling = settling
        self._rng = rng
        # Links whose roster differed while another was being levelled; asked again after it.
        self._later: dict[int, None] = {}
        self._asked_at = -CONFIRM_EVERY_S
        self._ask_due = 0.0
        self._looks = 0
        self._look_due = float("inf")

    def greet(self, link: Link, now: float) -> list[Effect]:
        """Begin comparing over a bulk link that opened; a newcomer introduces itself first."""
        self._settling.opened(link)
        mine = self._roster.get(self._config.node)
        introduces = mine is not None and mine.state is State.JOINING
        effects = tell((link.id,), [mine]) if introduces else []
        if self._joining.is_catching_up and self._exchange.telling.is_crowded:
            effects += self._exchange.telling.tell_all(link)  # the answer is all that we lack
        if link.dialled is None:
            return effects
        link.hash_due = now + self._next_hash()
        return [*effects, self._say(link, asks=True)]

    def _next_hash(self) -> float:
        return self._config.hash_every * self._rng.uniform(0.8, 1.2)

    def _say(self, *links: Link, asks: bool) -> Send:
        roster, heads = self._roster.hash(), self._exchange.telling.heads_hash()
        settled = self._settling.hash()
        message = StateHash(roster, heads, settled, asks, self._approving.hash())
        return Send(tuple([link.id for link in links]), message)

    def take(self, link: Link, message: StateHash, now: float) -> list[Effect]:
        """Compare with a peer's hashes, and follow up what differs."""
        effects: list[Effect] = [self._say(link, asks=False)] if message.asks else []
        if message.approvals != self._approving.hash():
            effects += self._approving.tell_all(link)
        if message.roster == self._roster.hash():
            if self._config.node in self._roster:
                self._joining.confirm(link.peer)
        elif not message.asks:
            effects += self._level(link, now)
        if message.heads == self._exchange.telling.heads_hash():
            self._joining.hear(link.peer, {})  # all of it is reached
            self._exchange.telling.level(link)
        elif message.asks or link.told is None:
            effects += self._exchange.telling.differs(link)
        if message.settled == self._settling.hash():
            self._settling.level(link)
        elif not message.asks:
            effects += self._settling.begin(link)
        return effects

    def _level(self, link: Link, now: float) -> list[Effect]:
        if self._levelling.is_busy(now):
            self._later[link.id] = None
            return []
        return self._levelling.begin(link, now)

    def compare(self, link: Link) -> list[Effect]:
        """Ask a peer for its hashes; it tells its heads where they differ from ours."""
        return [self._say(link, asks=True)]

    def suspect(self, link: Link, now: float) -> list[Effect]:
        """Compare with a peer that seems to know other members, unless that is under way."""
        if self._levelling.is_busy(now):
            self._later[link.id] = None
            return []
        return [self._say(link, asks=True)]

    def listed(self, link: Link, message: RosterList) -> list[Effect]:
        """Take in a list; where it could not hold everything, ask for the rest after it."""
        if not self._levelling.waits_for(link, message):
            return []
        if not (message.left or message.whole):
            self._later[link.id] = None
        return self._levelling.take(link, message)

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._later.pop(link, None)
        self._levelling.closed(link)

    def merged(self, changed: tuple[Entry, ...], now: float) -> list[Effect]:
        """Take note that entries changed durably; let newcomers among them know."""
        if changed:
            self._ask_due = min(self._ask_due, self._asked_at + CONFIRM_GAP_S)
        if changed and is_crowded(self._roster):
            self._looks = LOOKS
            self._look_due = min(self._look_due, now + self._next_look())
        newcomers = [entry.node for entry in changed if entry.state is State.JOINING]
        links = [self._peers.to(node, Channel.BULK) for node in newcomers]
        concerned = [link for link in links if link is not None]
        effects: list[Effect] = [self._say(*concerned, asks=False)] if concerned else []
        return effects + self.go_on(now)

    def _next_look(self) -> float:
        return LOOK_S * self._rng.uniform(0.5, 1.5)

    def go_on(self, now: float) -> list[Effect]:
        """Ask the next one whose roster differed, if nothing is being levelled."""
        while self._later and not self._levelling.is_busy(now):
            number = next(iter(self._later))
            del self._later[number]
            link = self._peers.get(number)
            if link is not None:
                return [self._say(link, asks=True)]
        return []

    def wake(self, now: float) -> list[Effect]:
        """Ask where it is time to."""
        effects = self.go_on(now)
        for link in self._peers.on(Channel.BULK):
            if link.dialled is not None and now >= link.hash_due:
                link.hash_due = now + self._next_hash()
                effects.append(self._say(link, asks=True))
        if self._joining.is_joining and now >= self._ask_due:
            effects += self._ask_unconfirmed(now)
        return effects + self._look(now)

    def _look(self, now: float) -> list[Effect]:
        if now < self._look_due:
            return []
        self._looks -= 1
        self._look_due = now + self._next_look() if self._looks else float("inf")
        links = self._peers.on(Channel.BULK)
        return [self._say(self._rng.choice(links), asks=True)] if links else []

    def _ask_unconfirmed(self, now: float) -> list[Effect]:
        self._asked_at, self._ask_due = now, now + CONFIRM_EVERY_S
        links = [
            link
            for link in self._peers.on(Channel.BULK)
            if not self._joining.is_confirmed_by(link.peer)
        ]
        if is_crowded(self._roster) and len(links) > CONFIRM_FAN_OUT:
            links = self._rng.sample(links, CONFIRM_FAN_OUT)
        return [self._say(*links, asks=True)] if links else []

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing presses)."""
        return min(self._look_due, self._ask_due) if self._joining.is_joining else self._look_due
