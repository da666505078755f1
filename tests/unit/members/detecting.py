"""Helpers for tests of the detector: claims by letter, one detector alone, several in a mesh.

The mesh has no connections: what one detector asks for lies in `wire` until a test delivers it,
late, twice or never.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import attrs
from nodes import node_id

from gcounterd.ids import Epoch, NodeId
from gcounterd.members.actions import Action, AskRelays, Contact, Happened, Tell
from gcounterd.members.claims import Claim, Evidence, Liveness
from gcounterd.members.detector import Detector
from gcounterd.members.timing import LAN, Timing
from gcounterd.node.messages import Ack, Gossip, Nack, Ping, PingFor, ProbeMessage

ALIVE, SUSPECT, DEAD, LEFT = Liveness
SILENT, REFUSED = Evidence


def epoch(life: int = 1) -> Epoch:
    return Epoch(bytes([life]) * 16)


def letter(node: NodeId) -> str:
    return node[:1].decode()


def claim(
    of: str,
    liveness: Liveness = ALIVE,
    incarnation: int = 0,
    *,
    by: str = "",
    evidence: Evidence = SILENT,
    life: int = 1,
) -> Claim:
    """Return what is said of a member; `by` is the accuser, "z" of bad claims if not given."""
    accused = liveness in (SUSPECT, DEAD)
    accuser = node_id(by or "z") if accused else None
    return Claim(node_id(of), epoch(life), incarnation, liveness, accuser, evidence)


class Lone:
    """The detector of node `a`; all others are connected and answer pings, but the `silent`."""

    def __init__(
        self, others: str, timing: Timing = LAN, *, silent: str = "", seed: int = 1
    ) -> None:
        self.linked = {node_id(each): True for each in others}
        self.silent = {node_id(each): True for each in silent}
        self.now = 0.0
        self.happened: list[tuple[str, str]] = []
        self.detector = Detector(
            node_id("a"),
            epoch(),
            timing,
            Random(seed),
            0.0,
            label=letter,
            linked=lambda node: self.linked.get(node, False),
        )
        for each in others:
            self.detector.know(node_id(each), epoch(), 0.0, joined=False)

    def note(self, actions: Iterable[Action]) -> list[Action]:
        """Keep what happened for `events`, and hand the actions on."""
        done = list(actions)
        for each in done:
            if isinstance(each, Happened):
                self.happened.append((each.event, letter(each.claim.node) if each.claim else ""))
        return done

    def events(self, *names: str) -> list[tuple[str, str]]:
        return [each for each in self.happened if not names or each[0] in names]

    def wake(self) -> list[Action]:
        """Wake it at the moment it asked for, which is `now` from then on."""
        self.now = max(self.now, self.detector.next_wake(self.now))
        done = self.note(self.detector.wake(self.now))
        self.now += 1e-9  # as real time: what is due at a moment may need the next one
        for action in list(done):
            if isinstance(action, Contact) and action.target not in self.silent:
                done += self.ack(action)
        return done

    def until(self, moment: float) -> list[Action]:
        """Wake it whenever it asks, up to a moment; return all it wanted."""
        done: list[Action] = []
        while self.detector.next_wake(self.now) < moment:
            done += self.wake()
        self.now = max(self.now, moment)
        return done

    def next_probe(self) -> Contact:
        """Run until it probes one that is silent."""
        while True:
            for action in self.wake():
                if isinstance(action, Contact) and action.target in self.silent:
                    return action

    def asked_for(self, probe: Contact) -> list[str]:
        """Run until others are asked to try; return who."""
        while True:
            for action in self.wake():
                if isinstance(action, AskRelays) and action.number == probe.number:
                    return [letter(each) for each in action.relays]

    def hear(self, *claims: Claim, source: str = "b") -> list[Action]:
        return self.note(self.detector.heard(claims, node_id(source), self.now))

    def ack(self, probe: Contact, source: str = "") -> list[Action]:
        by = node_id(source) if source else probe.target
        return self.note(self.detector.acked(probe.number, by, self.now))

    def nack(self, probe: Contact, source: str, *, refused: bool = False) -> list[Action]:
        by = node_id(source)
        return self.note(self.detector.nacked(probe.number, by, self.now, refused=refused))

    def liveness(self, of: str) -> Liveness:
        return self.detector.liveness(node_id(of))

    def accusers(self, of: str) -> str:
        view = self.detector.view(node_id(of))
        assert view is not None
        return "".join(letter(each.accuser) for each in view.accusations)

    def dies_at(self, of: str) -> float:
        """Run until a suspect is dead; return when."""
        assert self.liveness(of) is SUSPECT
        while self.liveness(of) is SUSPECT:
            self.wake()
        assert self.liveness(of) is DEAD
        return self.now


@attrs.frozen
class Letter:
    """A message on its way."""

    source: str
    target: str
    message: ProbeMessage


class Mesh:
    """Detectors that talk to each other through `wire`."""

    def __init__(self, names: str, timing: Timing = LAN, *, seed: int = 1) -> None:
        self.now = 0.0
        self.wire: list[Letter] = []
        self.happened: list[tuple[float, str, str, str]] = []
        self.cut: dict[tuple[str, str], bool] = {}
        self.deaf = ""
        self._relayed: dict[tuple[str, int], tuple[str, int, float]] = {}
        self.detectors: dict[str, Detector] = {}
        for number, name in enumerate(names):
            self.detectors[name] = Detector(
                node_id(name),
                epoch(),
                timing,
                Random(100 * seed + number),
                0.0,
                label=letter,
                linked=lambda _: True,
            )
        for name, detector in self.detectors.items():
            for other in names.replace(name, ""):
                self.perform(name, detector.know(node_id(other), epoch(), 0.0, joined=False))

    def perform(self, name: str, actions: Iterable[Action]) -> None:
        """Put on the wire what a detector wants sent."""
        detector = self.detectors[name]
        for action in actions:
            match action:
                case Contact(number, target):
                    told = detector.piggyback(target)
                    self.post(name, letter(target), Ping(number, detector.digest(), told))
                case AskRelays(number, target, relays):
                    for relay in relays:
                        self.post(name, letter(relay), PingFor(number, target))
                case Tell(targets, claims):
                    for target in targets:
                        self.post(name, letter(target), Gossip(claims))
                case Happened(event, about):
                    of = letter(about.node) if about else ""
                    self.happened.append((self.now, name, event, of))

    def post(self, source: str, target: str, message: ProbeMessage) -> None:
        if not self.cut.get((source, target)):
            self.wire.append(Letter(source, target, message))

    def deliver(self, at: int = 0, *, keep: bool = False) -> None:
        """Hand over one message of the wire; with `keep` it will come again."""
        sent = self.wire[at] if keep else self.wire.pop(at)
        source, target = sent.source, sent.target
        if target in self.deaf:
            return
        detector, peer = self.detectors[target], node_id(sent.source)
        match sent.message:
            case Ping(number, _, claims):
                self.perform(target, detector.heard(claims, peer, self.now))
                self.post(target, source, Ack(number, detector.piggyback(peer)))
            case Ack(number, claims):
                self.perform(target, detector.heard(claims, peer, self.now))
                asked = self._relayed.pop((target, number), None)
                if asked is not None:
                    self.post(target, asked[0], Ack(asked[1]))
                else:
                    self.perform(target, detector.acked(number, peer, self.now))
            case PingFor(number, of):
                own = detector.next_number()
                self._relayed[target, own] = source, number, self.now + LAN.nack_after
                self.post(target, letter(of), Ping(own, detector.digest()))
            case Nack(number, refused):
                self.perform(target, detector.nacked(number, peer, self.now, refused=refused))
            case Gossip(claims):
                self.perform(target, detector.heard(claims, peer, self.now))
            case _:
                raise AssertionError(sent)

    def deliver_all(self) -> None:
        """Let everything arrive at once, and what that leads to."""
        while self.wire:
            self.deliver()

    def wake(self, name: str) -> None:
        self.perform(name, self.detectors[name].wake(self.now))

    def compare(self, one: str, other: str) -> None:
        """Let two compare their tables, as after a ping whose digest differs."""
        a, b = self.detectors[one], self.detectors[other]
        for source, target, survey in ((other, one, a.survey()), (one, other, None)):
            told = self.detectors[source].differing(survey or b.survey())
            heard = self.detectors[target].heard(told, node_id(source), self.now)
            self.perform(target, heard)

    def greet(self, one: str, other: str) -> None:
        """Let two connect: each has the other's hello."""
        for here, there in ((one, other), (other, one)):
            about = self.detectors[there].me
            self.perform(here, self.detectors[here].met(about.node, about.epoch, self.now))

    def run(self, seconds: float, *, step: float = 0.05, deaf: str = "") -> None:
        """Let time pass for all but the `deaf`, everything arriving at once."""
        end, self.deaf = self.now + seconds, deaf
        while self.now < end:
            self.now = min(end, self.now + step)
            for name, detector in self.detectors.items():
                if name not in deaf and detector.next_wake(self.now) <= self.now:
                    self.wake(name)
            self._give_up()
            self.deliver_all()
        self.deaf = ""

    def _give_up(self) -> None:
        """Let relays say where they had no answer."""
        for (relay, own), (asker, number, nack_at) in list(self._relayed.items()):
            if self.now >= nack_at:
                del self._relayed[relay, own]
                self.post(relay, asker, Nack(number, refused=False))

    def beliefs(self, of: str) -> dict[str, Liveness]:
        """Return what each believes of a member, itself included."""
        return {name: d.liveness(node_id(of)) for name, d in self.detectors.items()}

    def all_alive(self) -> bool:
        return all(set(self.beliefs(name).values()) == {ALIVE} for name in self.detectors)
