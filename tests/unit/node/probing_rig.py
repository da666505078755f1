"""Helpers for tests of probing: node a, with links that a test opens and closes by hand."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from nodes import config, entry, hello, node_id, sent

from gcounterd.members.buckets import BUCKETS
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.roster import Entry, Roster
from gcounterd.members.table import SUM_BYTES
from gcounterd.node.dialling import Dialler
from gcounterd.node.effects import Dial, Effect, Notice
from gcounterd.node.messages import (
    Channel,
    ProbeMessage,
)
from gcounterd.node.peers import Link, Peers
from gcounterd.node.probing import Probing

ALIVE, SUSPECT, DEAD, LEFT = Liveness
CONTROL = Channel.CONTROL
FORGED = b"\xff" * BUCKETS * SUM_BYTES


def claim(letter: str, liveness: Liveness, incarnation: int = 0, by: str = "z") -> Claim:
    accuser = node_id(by) if liveness in (SUSPECT, DEAD) else None
    return Claim(node_id(letter), config(letter).epoch, incarnation, liveness, accuser)


class Rig:
    """Node a and its probing; the others answer, over links, when a test says so."""

    def __init__(self, others: str, *, linked: str = "", more: Iterable[Entry] = ()) -> None:
        self.roster = Roster([entry(letter) for letter in "a" + others])
        self.roster.merge(more)
        self.peers = Peers(node_id("a"))
        self.dialler = Dialler(config("a", seeds=("s:1",)), Random(3), 0.0)
        self.probing = Probing(config("a"), self.roster, self.peers, self.dialler, Random(1), 0.0)
        self.detector = self.probing.detector
        self.now = 0.0
        self.links = 0
        for letter in linked:
            self.open(letter)

    def open(self, letter: str, *, dialled: str | None = None) -> tuple[Link, list[Effect]]:
        self.links += 1
        link = Link(self.links, hello(letter, CONTROL), dialled, self.now)
        for old in self.peers.put(link):
            assert old is not link
        return link, self.probing.opened(link, self.now)

    def link(self, letter: str) -> Link:
        link = self.peers.to(node_id(letter), CONTROL)
        assert link is not None
        return link

    def close(self, letter: str) -> list[Effect]:
        link = self.link(letter)
        self.peers.remove(link.id)
        return self.probing.closed(link, self.now)

    def hear(self, letter: str, message: ProbeMessage) -> list[Effect]:
        return self.probing.handle(self.link(letter), message, self.now)

    def wake(self) -> list[Effect]:
        self.now = max(self.now, self.probing.next_wake(self.now))
        effects = self.probing.wake(self.now)
        self.now += 1e-9
        return effects

    def until(self, wanted: type, letter: str) -> tuple[ProbeMessage, list[Effect]]:
        """Wake until a message of that type is sent to a peer."""
        for _ in range(100):
            effects = self.wake()
            for message in self.to(letter, effects):
                if isinstance(message, wanted):
                    return message, effects
        raise AssertionError(f"no {wanted.__name__} in 100 wake-ups")

    def probe_by_dial(self) -> list[Effect]:
        """Wake until a probe needs a dial."""
        while not (dials := [e for e in self.wake() if isinstance(e, Dial)]):
            pass
        return dials

    def to(self, letter: str, effects: list[Effect]) -> list[object]:
        return sent(effects, self.link(letter).id)


def notices(effects: list[Effect]) -> list[tuple[str, object]]:
    return [(e.name, e.fields.get("member")) for e in effects if isinstance(e, Notice)]
