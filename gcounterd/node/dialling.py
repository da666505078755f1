"""Dialling: whom to connect to, and when to try again.

Theory. Every member that belongs is tried for ever, at a falling rate with jitter, so a split of
any length heals by itself; seeds are tried until each has once turned out to be a member (or
ourselves), so islands that name each other merge, and again when nobody else answers. One attempt
per address and channel is under way at a time. Above `WARM_LINKS_MAX` peers only some are kept
connected, and one is exchanged for another now and then, so that news still finds its way
everywhere; a connection opened for a probe is then a passing one, which carries no state.

The names of seeds are resolved by whoever dials, anew at each attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.roster import Entry
from gcounterd.node.config import Config
from gcounterd.node.messages import Channel, Refusal, Refused
from gcounterd.node.peers import Link, Peers

# A full mesh up to here; beyond, idle connections would cost O(N^2) sockets.
WARM_LINKS_MAX = 32
# When one of many peers is exchanged for another, and when the side that did not dial control
# loses patience with the one that did and dials bulk itself.
EXCHANGE_EVERY_S = 10.0
BULK_PATIENCE_S = 2.0
# How often one of the members that are dead or gone is tried: often enough that a healed split
# merges in seconds, seldom enough that half a cluster does not spend its time on the other half.
GONE_EVERY_S = 0.25
# How often all members of a crowd are looked at for some that are gone: it costs as many steps.
LOOK_EVERY_S = 1.0
# Addresses that an operator or a client may hand us to try; more are passed over.
SEEDS_MAX = 1024


@attrs.define(eq=False)
class _Attempt:
    under_way: bool = False
    began: float = 0.0
    due: float = 0.0
    delay: float = 0.0


class Dialler:
    """Decides on dials; keeps no link of its own."""

    def __init__(self, config: Config, rng: Random, now: float) -> None:
        self._config = config
        self._rng = rng
        self._attempts: dict[tuple[str, Channel], _Attempt] = {}
        self._unmet: dict[str, None] = dict.fromkeys(config.seeds)
        self._passing: dict[NodeId, None] = {}
        self._crowded = self._news = False
        self._gone_due = now
        self._exchange_due = now + EXCHANGE_EVERY_S
        self._next_due = now

    @property
    def unmet(self) -> list[str]:
        """Return the seeds that no hello has answered from yet."""
        return list(self._unmet)

    def add_seeds(self, addresses: Iterable[str]) -> None:
        """Try these addresses as well, until each is met."""
        for address in addresses:
            if len(self._unmet) < SEEDS_MAX:
                self._unmet.setdefault(address)
        self._next_due = 0.0

    def retry_seeds(self) -> None:
        """Try the seeds again, although they were met once: nobody else answers."""
        self.add_seeds(seed for seed in self._config.seeds if seed != self._config.address)

    def hurry(self, address: str, node: NodeId, now: float) -> bool:
        """Say whether to dial a member for a probe: not if that is under way already."""
        if self._crowded:
            self._passing[node] = None
        return self.start(address, now)

    def start(self, address: str, now: float) -> bool:
        """Say whether to dial control out of turn: not if that is under way already."""
        attempt = self._attempts.setdefault((address, Channel.CONTROL), _Attempt())
        if attempt.under_way:
            return False
        attempt.under_way, attempt.began = True, now
        return True

    def is_passing(self, node: NodeId) -> bool:
        """Say whether a connection to a member was opened for a probe only."""
        return node in self._passing

    def met(self, address: str) -> None:
        """Note that a member (or we ourselves) answered at `address`."""
        self._unmet.pop(address, None)
        self._news = True

    def ended(
        self, address: str, channel: Channel, now: float, refusal: Refusal | None = None
    ) -> float:
        """Note that a dial ended, in a link or without; return how long it took.

        The next, if it is needed, comes after twice the time of the last, give or take. A link
        that outlives this time clears the memory of it; one that is closed at once (a peer that
        hangs up on us) does not. Whoever is asked to try again does so soon.
        """
        attempt = self._attempts.setdefault((address, channel), _Attempt())
        first, most = self._config.redial_first, self._config.redial_most
        asked_again = refusal is not None and refusal.reason is Refused.ASKING
        if not asked_again:
            attempt.delay = min(most, max(first, 2 * attempt.delay))
        delay = first if asked_again else attempt.delay
        attempt.due = now + delay * self._rng.uniform(0.5, 1.0)
        attempt.under_way = False
        self._next_due = min(self._next_due, attempt.due)
        return now - attempt.began

    def dials(
        self,
        members: Sequence[Entry],
        peers: Peers,
        lives: Callable[[NodeId], bool],
        now: float,
        *,
        joining: bool,
    ) -> list[tuple[str, Channel]]:
        """Return what to dial now; each is then under way until it succeeds or fails.

        While we are `joining` we leave bulk to the members (see `dialbacks`).
        """
        if joining and len(members) <= 1:
            # Whoever answered hung up before we learnt who belongs: only its seed leads back there.
            known = {**peers.addresses(), self._config.address: None}
            self.add_seeds(seed for seed in self._config.seeds if seed not in known)
        self._crowded = len(members) - 1 > WARM_LINKS_MAX
        under_way = sum(a.under_way and t[1] is Channel.CONTROL for t, a in self._attempts.items())
        room = WARM_LINKS_MAX - len(peers.on(Channel.CONTROL)) - under_way
        looks = room > 0 or not self._crowded or now >= self._gone_due
        if not (looks or self._news or self._unmet):
            self._next_due = self._gone_due
            return []
        self._news = False
        if self._crowded and room <= 0:
            members = [entry for entry in members if looks and not lives(entry.node)]
        absent = self._find_absent(members, peers)
        targets = [(address, Channel.CONTROL) for address in (*self._unmet, *absent)]
        targets += [(address, Channel.BULK) for address in self._bulk(peers, now, joining)]
        wanted = {target: self._attempts.get(target) or _Attempt() for target in targets}
        if looks:
            self._attempts = {
                t: a for t, a in self._attempts.items() if a.under_way or a.due > now or t in wanted
            }
        ready = [t for t, a in wanted.items() if not a.under_way and a.due <= now]
        gone = [t for t in ready if t[0] in absent and not lives(absent[t[0]])]
        gone = [t for t in gone if t[1] is Channel.CONTROL and t[0] not in self._unmet]
        started = self._choose([t for t in ready if t not in gone], room)
        started += self._choose_gone({target: wanted[target].due for target in gone}, now)
        for target in started:
            self._attempts[target] = wanted[target]
            wanted[target].under_way, wanted[target].began = True, now
            self._passing.pop(absent.get(target[0], self._config.node), None)
        if looks and self._crowded and now >= self._gone_due:
            self._gone_due = now + LOOK_EVERY_S
        later = [a.due for a in wanted.values() if not a.under_way and a.due > now]
        later += [self._gone_due] if gone or self._crowded else []
        self._next_due = min(later, default=now + EXCHANGE_EVERY_S)
        return started

    def _find_absent(self, members: Sequence[Entry], peers: Peers) -> dict[str, NodeId]:
        """Return the members that we are not connected to, by address.

        Where one member answers no other can: an address handed on would be dialled for ever.
        """
        linked = peers.addresses() if members else {}
        return {
            entry.address: entry.node
            for entry in members
            if self._absent(entry, peers) and entry.address not in linked
        }

    def _choose_gone(
        self, gone: dict[tuple[str, Channel], float], now: float
    ) -> list[tuple[str, Channel]]:
        """Pick one of the members that do not live, whoever has waited longest."""
        if not gone or now < self._gone_due:
            return []
        self._gone_due = now + GONE_EVERY_S
        return [min(gone, key=lambda target: gone[target])]

    def _choose(self, ready: list[tuple[str, Channel]], room: int) -> list[tuple[str, Channel]]:
        """Leave out control links to members that would pass the limit of warm links."""
        members = [t for t in ready if t[1] is Channel.CONTROL and t[0] not in self._unmet]
        if len(members) <= room:
            return ready
        chosen = dict.fromkeys(self._rng.sample(members, max(0, room)))
        return [t for t in ready if t in chosen or t not in members]

    def _absent(self, entry: Entry, peers: Peers) -> bool:
        """Say whether to dial a member: it is not linked, or only an earlier life of it is."""
        link = peers.to(entry.node, Channel.CONTROL)
        is_past = link is not None and link.hello.epoch < entry.epoch
        return entry.node != self._config.node and (link is None or is_past)

    def _bulk(self, peers: Peers, now: float, joining: bool) -> list[str]:
        return [
            link.dialled or link.hello.address
            for link in peers.on(Channel.CONTROL)
            if not peers.to(link.peer, Channel.BULK)
            and not self.is_passing(link.peer)
            and self._dials_bulk(link, now, joining)
        ]

    def _dials_bulk(self, link: Link, now: float, joining: bool) -> bool:
        if link.dialled is not None:
            return not joining
        late = not self._crowded and now >= link.opened + BULK_PATIENCE_S
        return link.hello.joining or (late and not joining)

    def surplus(self, members: Sequence[Entry], peers: Peers, now: float) -> NodeId | None:
        """Return a peer to let go so that another can take its place, now and then."""
        links = peers.on(Channel.CONTROL)
        if now < self._exchange_due:
            return None
        self._exchange_due = now + EXCHANGE_EVERY_S
        if len(members) - 1 <= WARM_LINKS_MAX or len(links) < WARM_LINKS_MAX:
            return None
        kept = [link.peer for link in links if not self.is_passing(link.peer)]
        return self._rng.choice(kept) if kept else None

    def next_wake(self) -> float:
        """Return when to ask again, at the latest."""
        return min(self._exchange_due, self._next_due)
