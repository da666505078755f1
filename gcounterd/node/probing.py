"""Probing: the detector over connections.

Theory. The rules of SWIM over TCP. A probe uses the connection that is there and dials where there
is none, the dial being part of the probe. Only an answer proves life: what the kernel accepted for
a peer proves nothing. A connection that breaks, or a port that refuses, is looked into at once;
trouble of our own accuses nobody. In a cluster too large for a full mesh, a connection that was
opened for a probe is closed after it, with a word that its end means nothing.

This module turns the detector's actions into messages and dials, and what comes of them back; it
refuses to judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import assert_never

from gcounterd.ids import NodeId
from gcounterd.members.actions import Action, AskRelays, Contact, Happened, Tell
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.detector import TELL_MAX, Detector
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.node.dialling import Dialler
from gcounterd.node.effects import Dial, Drop, Effect, Notice, Send
from gcounterd.node.grades import Grade
from gcounterd.node.messages import (
    Ack,
    Bye,
    Channel,
    Gossip,
    Nack,
    Ping,
    PingFor,
    ProbeMessage,
    Survey,
)
from gcounterd.node.peers import Link, Peers
from gcounterd.node.relays import Relays

# One peer's surveys, each answered with up to the whole table, come no faster than this by any
# profile; more are passed over and counted. Tables that still differ are compared again.
SURVEY_EVERY_S = 0.25
# Rumours settle most differences, so tables are compared only while nothing is told; but where the
# telling never ends, after so many intervals all the same.
TELLING_INTERVALS_MAX = 5

# Longer than anybody waits for our hello: a link that was opened for a dial which was given up.
BRIEF_S = 3.0


class Probing:
    """The detector's hands; one per node."""

    def __init__(
        self,
        config: Config,
        roster: Roster,
        peers: Peers,
        dialler: Dialler,
        rng: Random,
        now: float,
    ) -> None:
        self._own, self._timing = config.node, config.timing
        self._roster, self._peers, self._dialler = roster, peers, dialler
        self.detector = Detector(
            config.node,
            config.epoch,
            config.timing,
            rng,
            now,
            label=roster.label,
            linked=self._is_linked,
        )
        self._relays = Relays(self._timing.nack_after, self._timing.interval)
        # Pings that wait for a dial, by address: our number → whom it is for. At most as many as
        # probes and relayed pings together.
        self._waiting: dict[str, dict[int, NodeId]] = {}
        self._survey_due = self._quiet_at = now
        for entry in roster.belonging():
            self.detector.know(entry.node, entry.epoch, now, joined=False)

    def _is_linked(self, node: NodeId) -> bool:
        return self._peers.to(node, Channel.CONTROL) is not None

    # -- the roster and links ---------------------------------------------------------------

    def roster_changed(self, changed: Iterable[Entry], now: float) -> list[Effect]:
        """Take note of members whose entries changed, after the roster has."""
        actions: list[Action] = []
        for node in [entry.node for entry in changed]:
            entry = self._roster.get(node)
            if entry is None or entry.state is State.REMOVED:
                actions += self.detector.forget(node)
            else:
                actions += self.detector.know(node, entry.epoch, now, joined=True)
        return self._perform(actions, now)

    def opened(self, link: Link, now: float) -> list[Effect]:
        """Take note of a control link: its peer lives, and what waited for it can be sent."""
        actions = self.detector.met(link.peer, link.hello.epoch, now)
        waiting = [
            number
            for numbers in self._waiting.values()
            for number, target in numbers.items()
            if target == link.peer
        ]
        for numbers in self._waiting.values():
            for number in waiting:
                numbers.pop(number, None)
        if not waiting:  # a ping of ours may have gone with the link that this one replaces
            actions += self.detector.reconnected(link.peer)
        effects = [self._ping(link, number) for number in waiting]
        if link.dialled is not None:
            strangers = self._waiting.pop(link.dialled, {})
            effects += self._unreached(strangers, Grade.TIMEOUT, now)
        return effects + self._perform(actions, now)

    def closed(self, link: Link, now: float) -> list[Effect]:
        """Take note that a control link broke, which its peer did not announce.

        A peer that dialled us and soon hung up without a word had no patience with us: we are slow,
        and would accuse it of that.
        """
        brief = link.dialled is None and not link.heard and now - link.opened < BRIEF_S
        if link.parting or brief:
            return []
        return self._perform(self.detector.hint(link.peer, now), now)

    def dial_failed(self, address: str, grade: Grade, now: float) -> list[Effect]:
        """Take note that a dial of control came to nothing."""
        effects = self._unreached(self._waiting.pop(address, {}), grade, now)
        actions: list[Action] = []
        if grade is Grade.REFUSED:
            for entry in self._roster.belonging():
                if entry.address == address and not self._is_linked(entry.node):
                    actions += self.detector.refused(entry.node, now)
        return effects + self._perform(actions, now)

    def _unreached(self, numbers: Iterable[int], grade: Grade, now: float) -> list[Effect]:
        """Take note that no connection came about for pings of these numbers."""
        refused, local = grade is Grade.REFUSED, grade is Grade.LOCAL
        effects: list[Effect] = []
        for number in numbers:
            nack = self._relays.unreached(number, refused=refused)
            if nack is None:
                actions = self.detector.unreached(number, now, refused=refused, local=local)
                nack = self._perform(actions, now)
            effects += nack
        return effects

    # -- messages ---------------------------------------------------------------------------

    def handle(self, link: Link, message: ProbeMessage, now: float) -> list[Effect]:
        """Handle a message of a control link."""
        detector, peer = self.detector, link.peer
        link.heard = True
        match message:
            case Ping(number, digest, claims):
                actions = self._heard(link, claims, now)
                ack = Send((link.id,), Ack(number, detector.piggyback(peer)))
                return [ack, *self._perform(actions, now), *self._compare(link, digest, now)]
            case Ack(number, claims):
                actions = self._heard(link, claims, now)
                handed_on = self._relays.acked(number, peer)
                if handed_on is None:
                    actions += detector.acked(number, peer, now)
                return [*(handed_on or []), *self._perform(actions, now), *self._part(link)]
            case PingFor(number, target):
                return self._relay(link, number, target, now)
            case Nack(number, refused):
                return self._perform(detector.nacked(number, peer, now, refused=refused), now)
            case Gossip(claims):
                return self._perform(self._heard(link, claims, now), now)
            case Survey(sums, reply):
                return self._answer(link, sums, now, reply=reply)
            case Bye():
                link.parting = True
                return []
            case _:
                assert_never(message)

    def _heard(self, link: Link, claims: tuple[Claim, ...], now: float) -> list[Action]:
        for claim in claims:
            if claim.node == link.peer and claim.liveness is Liveness.LEFT:
                link.parting = True
        return self.detector.heard(claims, link.peer, now)

    def _relay(self, link: Link, asked: int, target: NodeId, now: float) -> list[Effect]:
        known = target != self._own and self.detector.view(target) is not None
        if not known or self._relays.full:
            return [Send((link.id,), Nack(asked, refused=False))]
        number = self.detector.next_number()
        self._relays.take(number, link.id, asked, target, now)
        return self._contact(number, target, now)

    def _compare(self, link: Link, digest: bytes, now: float) -> list[Effect]:
        """Survey a peer whose table differs, unless rumours are about to settle it."""
        detector = self.detector
        if not detector.telling:
            self._quiet_at = now
        if digest == detector.digest() or now < self._survey_due:
            return []
        if (
            detector.telling
            and now < self._quiet_at + TELLING_INTERVALS_MAX * self._timing.interval
        ):
            return []
        self._survey_due = now + self._timing.interval
        link.surveying = True
        return [Send((link.id,), Survey(detector.survey(), reply=False))]

    def _answer(self, link: Link, sums: bytes, now: float, *, reply: bool) -> list[Effect]:
        """Tell what a peer's table lacks; as often as a correct peer asks, and no more."""
        if not (link.surveying if reply else now >= link.survey_due):
            self.detector.tally["surveys_excess"] += 1
            return []
        if reply:
            link.surveying = False
        else:
            link.survey_due = now + SURVEY_EVERY_S
        claims = self.detector.differing(sums)
        effects: list[Effect] = [
            Send((link.id,), Gossip(claims[at : at + TELL_MAX]))
            for at in range(0, len(claims), TELL_MAX)
        ]
        if claims and not reply:
            effects.append(Send((link.id,), Survey(self.detector.survey(), reply=True)))
        return effects

    # -- actions ----------------------------------------------------------------------------

    def _perform(self, actions: Iterable[Action], now: float) -> list[Effect]:
        effects: list[Effect] = []
        for action in actions:
            match action:
                case Contact(number, target):
                    effects += self._contact(number, target, now)
                case AskRelays(number, target, relays):
                    effects += self._send(relays, PingFor(number, target))
                case Tell(targets, claims):
                    effects += self._send(targets, Gossip(claims))
                case Happened():
                    effects += self._happened(action, now)
                case _:
                    assert_never(action)
        return effects

    def _send(self, targets: Iterable[NodeId], message: ProbeMessage) -> list[Effect]:
        links = [self._peers.to(target, Channel.CONTROL) for target in targets]
        ids = tuple([link.id for link in links if link is not None])
        return [Send(ids, message)] if ids else []

    def _ping(self, link: Link, number: int) -> Effect:
        claims = self.detector.piggyback(link.peer)
        return Send((link.id,), Ping(number, self.detector.digest(), claims))

    def _contact(self, number: int, target: NodeId, now: float) -> list[Effect]:
        link = self._peers.to(target, Channel.CONTROL)
        if link is not None:
            return [self._ping(link, number)]
        entry = self._roster.get(target)
        if entry is None:
            return []
        if self._peers.is_reached_at(entry.address):  # another process answers there
            return self._unreached([number], Grade.TIMEOUT, now)
        self._waiting.setdefault(entry.address, {})[number] = target
        started = self._dialler.hurry(entry.address, now)
        return [Dial(entry.address, Channel.CONTROL)] if started else []

    def _part(self, link: Link) -> list[Effect]:
        """Close a connection that only a probe needed."""
        if not self._dialler.is_passing(link) or self._peers.to(link.peer, Channel.BULK):
            return []
        return [Send((link.id,), Bye()), Drop(link.id, "parted", gently=True)]

    def _happened(self, action: Happened, now: float) -> list[Effect]:
        fields: dict[str, str | int | float] = {}
        if action.seconds:
            fields["seconds"] = round(action.seconds, 3)
        claim = action.claim
        if claim is None:
            if action.event == "alone":
                self._dialler.retry_seeds()
            return [Notice(action.event, fields)]
        fields |= {"member": self._roster.label(claim.node), "id": claim.node.hex()}
        if claim.accuser is not None:
            fields |= {"by": self._roster.label(claim.accuser), "why": action.why}
        effects: list[Effect] = [Notice(action.event, fields)]
        if claim.liveness is Liveness.DEAD:
            effects += [Drop(link.id, "dead") for link in self._peers.of(claim.node)]
        return effects

    # -- time -------------------------------------------------------------------------------

    def leave(self) -> list[Effect]:
        """Say goodbye to everyone connected."""
        links = tuple([link.id for link in self._peers.on(Channel.CONTROL)])
        return [Send(links, Gossip((self.detector.leave(),)))] if links else []

    def wake(self, now: float) -> list[Effect]:
        """Do what is due."""
        return [*self._relays.wake(now), *self._perform(self.detector.wake(now), now)]

    def next_wake(self, now: float) -> float:
        """Return when to wake at the latest."""
        return min(self.detector.next_wake(now), self._relays.next_wake())
