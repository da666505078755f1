"""Rounds: whom to probe next, and what has become of a probe.

Theory. SWIM probes members in a shuffled order, a new order for each pass, and puts a newcomer at a
random place of the present one: each member is then probed by each other within 2 N - 1 rounds at
most (Das, Gupta, Motivala 2002, section 4.3), and the load of one member stays the same however
many there are. A probe is direct at first; without an answer, a few others are asked to try.

This module refuses to know how a probe travels, and what its outcome means.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from random import Random

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.claims import Evidence


class Numbers:
    """Numbers of probes, which go round.

    All take three bytes in a message: a process that has run for long says no more than a young
    one. The first is given again after 65,280 probes, when nothing remembers what it was for.
    """

    _FIRST, _LAST = 2**8, 2**16 - 1

    def __init__(self) -> None:
        self._latest = self._LAST

    def next(self) -> int:
        """Return the next number."""
        self._latest = self._latest + 1 if self._latest < self._LAST else self._FIRST
        return self._latest


class Order:
    """The members in the order in which they are probed."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._members: list[NodeId] = []
        self._next = 0

    def add(self, node: NodeId) -> None:
        """Put a member at a random place among those still to come in this pass."""
        at = self._rng.randint(self._next, len(self._members))
        self._members.insert(at, node)

    def remove(self, node: NodeId) -> None:
        """Leave a member out from now on."""
        at = self._members.index(node)
        del self._members[at]
        if at < self._next:
            self._next -= 1

    def next(self, wanted: Callable[[NodeId], bool]) -> NodeId | None:
        """Return the next member that is wanted; None if there is none."""
        for _ in range(2 * len(self._members)):  # what is left of this pass, and all of the next
            if self._next >= len(self._members):
                self._rng.shuffle(self._members)
                self._next = 0
            node = self._members[self._next]
            self._next += 1
            if wanted(node):
                return node
        return None


class Reply(enum.Enum):
    """What a relay said: not yet anything, no answer there, a port that refuses."""

    NOTHING = "no word"
    NO = "no answer"
    REFUSED = "refused"


@attrs.define(eq=False)
class Probe:
    """One probe under way; times are the detector's.

    direct      what became of the direct attempt, None while it may still be answered
    tries       how often the target was contacted
    asked       others are asked by now; relays  who, with what they said
    not_before  until when its end was put off
    """

    number: int
    target: NodeId
    timeout_at: float
    ends_at: float
    direct: Evidence | None = None
    tries: int = 1
    asked: bool = False
    relays: dict[NodeId, Reply] = attrs.Factory(dict)
    not_before: float = 0.0

    @property
    def is_hopeless(self) -> bool:
        """Say whether everybody has said no already, so that waiting would tell nothing more."""
        if not self.asked or self.direct is not Evidence.REFUSED:
            return False
        return Reply.NOTHING not in self.relays.values()

    @property
    def missing(self) -> int:
        """Return how many relays gave no word at all."""
        return sum(reply is Reply.NOTHING for reply in self.relays.values())

    def wait_until(self, t: float) -> None:
        """Let nothing end this before `t`, once: its answer may have come, and not been read."""
        if self.ends_at > self.not_before:
            self.not_before = t
            self.ends_at = max(self.ends_at, t)

    def describe(self, label: Callable[[NodeId], str]) -> str:
        """Say over which paths the target was tried, in words."""
        direct = "refused" if self.direct is Evidence.REFUSED else "silent"
        told = [f"{label(relay)}: {reply.value}" for relay, reply in self.relays.items()]
        return "; ".join([f"direct: {direct}", *told])
