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

from collections.abc import Iterable
from random import Random
from typing import Protocol

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.roster import Entry, Roster, State
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
# Addresses that an operator or a client may hand us to try; more are passed over.
SEEDS_MAX = 1024
# In a crowd: dials of members under way at a time, draws for each that there is room for, and when
# to draw again if they found too few.
DIALLING_MAX = 8
DRAWS = 8
DRAW_AGAIN_S = 0.5
# Links above WARM_LINKS_MAX that others made and we let be, and how fast we let go of more.
SPARE_LINKS_MAX = 16
SHED_EVERY_S = 0.25
# How fast a newcomer to a crowd exchanges peers if it is not confirmed after a while: then others
# join all the time, and nobody can vouch for those that it does not meet (see `holding`).
JOINING_EXCHANGE_S = 1.0
# How often the memory of dials is tidied; a link that lasted so long is dialled anew at once.
FORGET_EVERY_S = 10.0

Target = tuple[str, Channel]


def is_crowded(roster: Roster) -> bool:
    """Say whether there are too many members for each to be connected to each."""
    return roster.size - 1 > WARM_LINKS_MAX


class Living(Protocol):
    """What dialling asks the detector."""

    @property
    def living(self) -> int:
        """Return how many members live, this one included."""

    def lives(self, node: NodeId) -> bool:
        """Say whether a member lives."""


@attrs.define(eq=False)
class _Attempt:
    due: float = 0.0
    delay: float = 0.0


class Dialler:
    """Decides on dials; keeps no link of its own."""

    def __init__(self, config: Config, rng: Random, now: float) -> None:
        self._config = config
        self._rng = rng
        self._attempts: dict[Target, _Attempt] = {}
        self._under_way: dict[Channel, dict[str, float]] = {channel: {} for channel in Channel}
        self._unmet: dict[str, None] = dict.fromkeys(config.seeds)
        # Addresses whose last dial was for a probe only.
        self._passing: dict[str, None] = {}
        self._crowded = False
        self._gone_due = now
        self._exchange_due = now + EXCHANGE_EVERY_S
        self._next_due = now
        self._forget_due = now + FORGET_EVERY_S

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

    def hurry(self, address: str, now: float) -> bool:
        """Say whether to dial a member for a probe: not if that is under way already."""
        started = self.start(address, now)
        if started and self._crowded:
            self._passing[address] = None
        return started

    def start(self, address: str, now: float) -> bool:
        """Say whether to dial control out of turn: not if that is under way already."""
        if address in self._under_way[Channel.CONTROL]:
            return False
        self._put_under_way(address, Channel.CONTROL, now)
        return True

    def _put_under_way(self, address: str, channel: Channel, now: float) -> None:
        self._under_way[channel][address] = now
        if channel is Channel.CONTROL:
            self._passing.pop(address, None)

    def is_passing(self, link: Link) -> bool:
        """Say whether a connection was opened for a probe only: by us, then, and not by its peer.

        Of one that its peer dialled its peer decides.
        """
        return link.dialled in self._passing

    def met(self, address: str) -> None:
        """Note that a member (or we ourselves) answered at `address`."""
        self._unmet.pop(address, None)

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
        self._next_due = min(self._next_due, attempt.due)
        return now - self._under_way[channel].pop(address, now)

    def dials(
        self,
        roster: Roster,
        peers: Peers,
        detector: Living,
        now: float,
        *,
        joining: bool,
    ) -> list[Target]:
        """Return what to dial now; each is then under way until it succeeds or fails.

        While we are `joining` we leave bulk to the members (see `dialbacks`).
        """
        if joining and roster.size <= 1:
            # Whoever answered hung up before we learnt who belongs: only its seed leads back there.
            own = self._config.address
            seeds = [seed for seed in self._config.seeds if not peers.is_reached_at(seed)]
            self.add_seeds(seed for seed in seeds if seed != own)
        self._crowded = is_crowded(roster)
        self._next_due = now + EXCHANGE_EVERY_S
        absent = _Absent(self._config.node, roster, peers, detector)
        self._forget(absent, now)
        unmet = [seed for seed in self._unmet if not peers.is_reached_at(seed)]
        targets = [(address, Channel.CONTROL) for address in unmet]
        targets += [(address, Channel.BULK) for address in self._bulk(peers, now, joining)]
        started = self._start(targets, now)
        wanted = self._draw(absent, now) if self._crowded else absent.living()
        started += self._start_members(wanted, now)
        if absent.is_any_gone:
            started += self._start_members(self._choose_gone(absent, now), now)
        return started

    def visit(self, addresses: Iterable[str], now: float, most: int) -> list[Target]:
        """Put bulk dials under way for reads, `most` of those that may be; return them."""
        started: list[Target] = []
        for address in addresses:
            if len(started) == most:
                break
            started += self._start([(address, Channel.BULK)], now)
        return started

    def is_dialling(self, target: Target) -> bool:
        """Say whether a dial is under way."""
        address, channel = target
        return address in self._under_way[channel]

    def _start(self, targets: list[Target], now: float) -> list[Target]:
        """Put under way what may be dialled, and note when the rest may."""
        started = []
        for target in targets:
            address, channel = target
            if address in self._under_way[channel]:
                continue
            attempt = self._attempts.get(target)
            if attempt is None or attempt.due <= now:
                self._put_under_way(address, channel, now)
                started.append(target)
            else:
                self._next_due = min(self._next_due, attempt.due)
        return started

    def _start_members(self, entries: list[Entry], now: float) -> list[Target]:
        return self._start([(entry.address, Channel.CONTROL) for entry in entries], now)

    def _draw(self, absent: _Absent, now: float) -> list[Entry]:
        """Pick some of many members, as there is room for.

        Most of a crowd is absent and lives, so drawing finds them without looking at all of it. A
        few at a time: meanwhile others dial us, and their links take up room too.
        """
        dialling = len(self._under_way[Channel.CONTROL])
        room = min(WARM_LINKS_MAX - absent.linked, DIALLING_MAX) - dialling
        drawn: dict[str, Entry] = {}
        for _ in range(DRAWS * max(0, room)):
            if len(drawn) == room:
                return list(drawn.values())
            entry = absent.draw(self._rng)
            if entry is not None and self._is_ready(entry, now):
                drawn[entry.address] = entry
        if room > 0:
            self._next_due = min(self._next_due, now + DRAW_AGAIN_S)
        return list(drawn.values())

    def _choose_gone(self, absent: _Absent, now: float) -> list[Entry]:
        """Pick one of the members that do not live, whoever has waited longest."""
        chosen = []
        if now >= self._gone_due:
            self._gone_due = now + GONE_EVERY_S
            ready = [entry for entry in absent.gone() if self._is_ready(entry, now)]
            chosen = sorted(ready, key=self._due)[:1]
        self._next_due = min(self._next_due, self._gone_due)
        return chosen

    def _is_ready(self, entry: Entry, now: float) -> bool:
        return entry.address not in self._under_way[Channel.CONTROL] and self._due(entry) <= now

    def _due(self, entry: Entry) -> float:
        attempt = self._attempts.get((entry.address, Channel.CONTROL))
        return attempt.due if attempt else 0.0

    def _forget(self, absent: _Absent, now: float) -> None:
        """Forget how slowly to dial what has been connected for a while, or is no member."""
        if now < self._forget_due:
            return
        self._forget_due = now + FORGET_EVERY_S
        wanted = {(each.address, Channel.CONTROL) for each in (*absent.living(), *absent.gone())}
        wanted |= {(address, Channel.CONTROL) for address in self._unmet}
        self._attempts = {
            target: attempt
            for target, attempt in self._attempts.items()
            if attempt.due > now or target in wanted
        }
        dialling = self._under_way[Channel.CONTROL]
        self._passing = {
            address: None
            for address in self._passing
            if address in dialling or absent.is_reached_at(address)
        }

    def _bulk(self, peers: Peers, now: float, joining: bool) -> list[str]:
        return [
            link.dialled or link.hello.address
            for link in peers.lacking_bulk()
            if not self.is_passing(link) and self._dials_bulk(link, now, joining)
        ]

    def _dials_bulk(self, link: Link, now: float, joining: bool) -> bool:
        if link.dialled is not None:
            return not joining
        late = not self._crowded and now >= link.opened + BULK_PATIENCE_S
        return link.hello.joining or (late and not joining)

    def surplus(
        self, roster: Roster, peers: Peers, now: float, *, joining: bool = False
    ) -> NodeId | None:
        """Return a peer to let go so that another can take its place, now and then.

        Sooner where there are far too many: whoever is named as a seed by all is dialled by all.
        """
        if now < self._exchange_due:
            return None
        links = peers.on(Channel.CONTROL)
        too_many = len(links) > WARM_LINKS_MAX + SPARE_LINKS_MAX
        every = JOINING_EXCHANGE_S if joining else EXCHANGE_EVERY_S
        self._exchange_due = now + (SHED_EVERY_S if too_many else every)
        if not is_crowded(roster) or len(links) < WARM_LINKS_MAX:
            return None
        kept = [
            link.peer for link in links if not (self.is_passing(link) or _is_eager(link, peers))
        ]
        return self._rng.choice(kept) if kept else None

    def next_wake(self) -> float:
        """Return when to ask again, at the latest."""
        return min(self._exchange_due, self._next_due)


def _is_eager(link: Link, peers: Peers) -> bool:
    """Say whether news come along from a peer (`node.tree`)."""
    bulk = peers.to(link.peer, Channel.BULK)
    return bulk is not None and bulk.eager


class _Absent:
    """The members that no control link leads to.

    Where one member answers no other can: who has the address of a connected one is left out, or an
    address that was handed on would be dialled for ever.
    """

    def __init__(self, own: NodeId, roster: Roster, peers: Peers, detector: Living) -> None:
        self._own, self._roster, self._peers = own, roster, peers
        self._lives = detector.lives
        self.is_reached_at = peers.is_reached_at
        self.linked = peers.count(Channel.CONTROL)
        self.is_any_gone = detector.living < roster.size

    def _holds(self, entry: Entry) -> bool:
        if entry.node == self._own or self.is_reached_at(entry.address):
            return False
        link = self._peers.to(entry.node, Channel.CONTROL)
        return link is None or link.hello.epoch < entry.epoch  # only an earlier life is linked

    def living(self) -> list[Entry]:
        """Return those that live."""
        members = self._roster.belonging()
        return [each for each in members if self._holds(each) and self._lives(each.node)]

    def gone(self) -> list[Entry]:
        """Return those that are dead or have left."""
        members = self._roster.belonging()
        return [each for each in members if self._holds(each) and not self._lives(each.node)]

    def draw(self, rng: Random) -> Entry | None:
        """Return a random one that lives, or None if this time another was drawn."""
        entry = self._roster.at(int(rng.random() * len(self._roster)))
        belongs = entry.state is not State.REMOVED
        return entry if belongs and self._holds(entry) and self._lives(entry.node) else None
