"""Nodes that meet without a network: what they say is carried by hand, counted and looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random

import attrs
from nodes import commit, config

from gcounterd.counters.counters import Counters
from gcounterd.ids import Epoch, NodeId
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.effects import Dial, Effect, Notice, Send
from gcounterd.node.messages import Channel, Message
from gcounterd.node.node import Node
from gcounterd.wire.codec import decode, encode
from gcounterd.wire.frames import LENGTH_BYTES


def member(number: int, *, life: int = 1, state: State = State.ACTIVE) -> Entry:
    """Return the entry of a member whose id is as random as ids are, by number."""
    node = NodeId(Random(number).randbytes(16))
    return Entry(node, Epoch(bytes([life]) * 16), 0, f"m{number}", f"m{number}:1", state)


def holder(letter: str, entries: Iterable[Entry], *, seeds: tuple[str, ...] = ()) -> Node:
    """Return a node that holds these entries and its own; its first commit is done."""
    mine = config(letter, seeds=seeds)
    made = Node(mine, Counters(mine.column, 100), Roster(entries), Random(letter), 0.0)
    commit(made)
    return made


@attrs.define
class _Way:
    """One direction of a link, with what is under way on it."""

    source: Node
    target: Node
    link: int
    frames: deque[bytes] = attrs.Factory(deque)


class Meeting:
    """Links between nodes, in order and without loss; frames and bytes are counted."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[Message] = []
        self.bytes = 0
        self.ways: list[_Way] = []
        self.nodes: dict[NodeId, Node] = {}
        self._known: dict[NodeId, list[frozenset[NodeId]]] = {}
        self._confirmed: dict[NodeId, dict[NodeId, None]] = {}

    def connect(self, one: Node, two: Node) -> None:
        """Let one dial the other."""
        number = len(self.ways)
        self.ways += [_Way(one, two, number), _Way(two, one, number + 1)]
        for node in (one, two):
            self.nodes[node.config.node] = node
            self._remember(node)
        effects = one.opened(number, two.hello(Channel.BULK), two.config.address, self.now)
        others = two.opened(number + 1, one.hello(Channel.BULK), None, self.now)
        self.perform(one, effects)
        self.perform(two, others)

    def perform(self, node: Node, effects: list[Effect]) -> None:
        """Put on its way what a node says; whatever ends a link fails the test."""
        for effect in effects:
            match effect:
                case Send(links, message):
                    for link in links:
                        (way,) = [w for w in self.ways if w.link == link and w.source is node]
                        frame = encode(message)
                        self.said.append(message)
                        self.bytes += len(frame)
                        way.frames.append(frame)
                case Dial() | Notice():
                    pass
                case _:
                    raise AssertionError(effect)

    def deliver(self, way: _Way) -> None:
        """Let the first message of a way arrive."""
        message = decode(way.frames.popleft()[LENGTH_BYTES:])
        (back,) = [w for w in self.ways if w.source is way.target and w.target is way.source]
        self.perform(way.target, way.target.received(back.link, message, self.now))
        self._check_confirmations(way.target)

    def commit(self, node: Node) -> None:
        """Make what waits at a node durable."""
        self.perform(node, commit(node, self.now))
        self._remember(node)

    def wake(self, node: Node, seconds: float = 0.0) -> None:
        """Let time pass, and wake what looks after the roster; nobody is probed here."""
        self.now += seconds
        self.perform(node, node.membership.wake(self.now))

    def carry(self) -> int:
        """Carry all messages, committing after each, until none is under way; count them."""
        carried = 0
        while ways := [way for way in self.ways if way.frames]:
            carried += 1
            self.deliver(ways[0])
            self.commit(ways[0].target)
        return carried

    def run(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass for all nodes, carrying what they say."""
        for _ in range(round(seconds / step)):
            self.now += step
            for node in self.nodes.values():
                self.commit(node)
                self.wake(node)
            self.carry()

    def _remember(self, node: Node) -> None:
        known = self._known.setdefault(node.config.node, [])
        now = frozenset(entry.node for entry in node.roster)
        if not known or known[-1] != now:
            known.append(now)

    def _check_confirmations(self, node: Node) -> None:
        """Check that whoever has confirmed a node once knew it, and nobody that it does not."""
        own = node.config.node
        seen = self._confirmed.setdefault(own, {})
        mine = {entry.node for entry in node.roster} | set(node.intake.members)
        for other in [n for n in self.nodes if node.joining.is_confirmed_by(n) and n not in seen]:
            seen[other] = None
            assert any(own in then and then <= mine for then in self._known[other])
