"""Relays: pings that this node sends for others, and when it says that there was no answer.

Theory. A relay keeps its asker waiting no longer than the asker's round can use: its nack goes out
after a part of the timeout, so that silence of the *target* never looks like silence of the relay
(the opposite costs every healthy prober its local health). An ack that comes later is still handed
on. What is asked beyond a bound is answered with a nack at once: it costs the asker, not us.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import NodeId
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import Ack, Nack

# Pings for others under way; far above what a healthy cluster asks of one member.
RELAYED_MAX = 256


@attrs.define(eq=False)
class _Relayed:
    """link, asked   whom to answer, and under which number; ends_at  when to forget it"""

    link: int
    asked: int
    target: NodeId
    nack_at: float
    ends_at: float
    nacked: bool = False


class Relays:
    """Relayed pings by our own number."""

    def __init__(self, nack_after: float, keep: float) -> None:
        self._nack_after, self._keep = nack_after, keep
        self._relayed: dict[int, _Relayed] = {}

    @property
    def full(self) -> bool:
        """Say whether no more can be taken on."""
        return len(self._relayed) >= RELAYED_MAX

    def take(self, number: int, link: int, asked: int, target: NodeId, now: float) -> None:
        """Ping `target` under our `number` for who asked over `link`."""
        self._relayed[number] = _Relayed(
            link, asked, target, now + self._nack_after, now + self._keep
        )

    def acked(self, number: int, source: NodeId) -> list[Effect] | None:
        """Hand an ack on; None if the number is not ours to hand on."""
        relayed = self._relayed.get(number)
        if relayed is None or relayed.target != source:
            return None
        del self._relayed[number]
        return [Send((relayed.link,), Ack(relayed.asked))]

    def unreached(self, number: int, *, refused: bool) -> list[Effect] | None:
        """Say at once that no connection came about; None if the number is not ours."""
        relayed = self._relayed.pop(number, None)
        if relayed is None:
            return None
        return [] if relayed.nacked else [Send((relayed.link,), Nack(relayed.asked, refused))]

    def wake(self, now: float) -> list[Effect]:
        """Say where there was no answer in time."""
        effects: list[Effect] = []
        for number, relayed in list(self._relayed.items()):
            if now >= relayed.nack_at and not relayed.nacked:
                relayed.nacked = True
                effects.append(Send((relayed.link,), Nack(relayed.asked, refused=False)))
            if now >= relayed.ends_at:
                del self._relayed[number]
        return effects

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` with nothing under way)."""
        if not self._relayed:
            return float("inf")
        dues = [each.ends_at if each.nacked else each.nack_at for each in self._relayed.values()]
        return min(dues)
