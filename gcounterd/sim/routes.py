"""The routes between hosts: what gets through, how late, and what is lost on the way.

Theory. TCP hides loss and shows it as time. A segment that is lost comes one retransmission
timeout later, 200 ms at least, and that doubles each time it is lost again; what was sent behind
it waits for it. The first segment of a connection has nothing to measure by and waits a second,
doubling. So where datagrams would show 5 % loss as 5 % of answers missing, TCP shows it as 5 % of
answers late, a few of them very late; and a sender whose data stays unanswered for too long gives
the connection up.

Routes are one-way, as they are in life. This module refuses to know connections.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import attrs

from gcounterd.node.messages import Channel
from gcounterd.sim.chance import draw_exponential
from gcounterd.sim.world import World

# Retransmission timeouts as Linux has them: the least one, and that of a first segment.
RTO_S = 0.2
SYN_RTO_S = 1.0
# Where a draw of repeated loss ends: beyond what any sender waits for.
RTO_S_MAX = 12.0


@attrs.define
class Conditions:
    """How all routes behave now; delays are means of exponential distributions.

    loss   the share of segments that are lost, each way, in addition to what single routes lose
    """

    delay_s: float = 0.0005
    tail_chance: float = 0.0
    tail_s: float = 0.2
    loss: float = 0.0


class Routes:
    """Which host reaches which, and how well."""

    def __init__(self, world: World, tally: Counter[str]) -> None:
        self._world = world
        self._tally = tally
        self._rng: Random = world.derive("network")
        self._blocked: dict[tuple[str, str], float] = {}  # since when
        self._barred: dict[tuple[str, str, Channel], None] = {}
        self._rates: dict[tuple[str, str], float] = {}
        self._losses: dict[tuple[str, str], float] = {}
        self.conditions = Conditions()
        self.hosts: dict[str, str] = {}  # address → host
        self.names: dict[str, str] = {}  # address with a name → what it resolves to, or ""
        self.down: dict[str, float] = {}  # hosts without power, or asleep; since when

    def block(self, source: str, target: str) -> None:
        """Let nothing through from one host to another; connections stay open."""
        self._blocked.setdefault((source, target), self._world.now)

    def bar(self, source: str, target: str, channel: Channel) -> None:
        """Let nothing of one channel through from one host to another, and all of the other."""
        self._barred[source, target, channel] = None

    def unbar(self) -> None:
        """Let both channels through again wherever one was barred; what waited goes on."""
        self._barred.clear()
        self.release()

    def thin(self, source: str, target: str, bytes_per_s: float | None) -> None:
        """Let only so much through from one host to another; None for all."""
        if bytes_per_s is None:
            self._rates.pop((source, target), None)
        else:
            self._rates[source, target] = bytes_per_s

    def lose(self, source: str, target: str, share: float) -> None:
        """Lose this share of what one host sends to another; 0 for none."""
        if share:
            self._losses[source, target] = share
        else:
            self._losses.pop((source, target), None)

    def unblock(self, source: str, target: str) -> None:
        """Open a route again; what waited goes on."""
        self._blocked.pop((source, target), None)
        self.release()

    def switch_off(self, host: str) -> None:
        """Let a host's kernel neither send nor answer: no power, or asleep."""
        self.down.setdefault(host, self._world.now)

    def switch_on(self, host: str) -> None:
        """Let a host's kernel answer again."""
        if self.down.pop(host, None) is not None:
            self.release()

    def heal(self) -> None:
        """Make every route good; hosts that are switched off stay so."""
        self._blocked.clear()
        self._barred.clear()
        self._rates.clear()
        self._losses.clear()
        self.release()

    def release(self) -> None:
        """Look again at what waited for a route."""

    def is_open(self, source: str, target: str, channel: Channel) -> bool:
        """Say whether anything of a channel gets from one host to another."""
        down = self.down
        return (
            (source, target) not in self._blocked
            and source not in down
            and target not in down
            and not (self._barred and (source, target, channel) in self._barred)
        )

    def is_shut_since(self, source: str, target: str, when: float) -> bool:
        """Say whether nothing at all got from one host to another since then."""
        moments = (
            self._blocked.get((source, target)),
            self.down.get(source),
            self.down.get(target),
        )
        return any(moment is not None and moment <= when for moment in moments)

    def delay(self) -> float:
        """Return how long a segment that is not lost takes now."""
        conditions = self.conditions
        seconds = draw_exponential(self._rng, conditions.delay_s)
        if conditions.tail_chance and self._rng.random() < conditions.tail_chance:
            self._tally["late frame"] += 1
            seconds += draw_exponential(self._rng, conditions.tail_s)
        return seconds

    def loss(self, source: str, target: str) -> float:
        """Return the share that is lost from one host to another."""
        alone = self._losses.get((source, target), 0.0) if self._losses else 0.0
        return alone + self.conditions.loss * (1 - alone)

    def is_lost(self, source: str, target: str) -> bool:
        """Draw whether a segment is lost."""
        share = self.loss(source, target)
        return share > 0 and self._rng.random() < share

    def repeats(self, source: str, target: str) -> float:
        """Draw how long the retransmissions of a segment take: 0 if the first one arrives."""
        share = self.loss(source, target)
        if not share:
            return 0.0
        seconds, timeout = 0.0, RTO_S
        while seconds < RTO_S_MAX and self._rng.random() < share:
            self._tally["frame repeated"] += 1
            seconds += timeout
            timeout *= 2
        return seconds
