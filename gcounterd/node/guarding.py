"""Guarding: what a peer says about columns that somebody else knows better.

Theory. Counters never go down, so a count that was taken in wrongly stays. A column has one writer,
and who that is can be told from its id, so two things can be known before a merge. Of the columns
that this process writes nobody holds more than it does itself. And of the column that a peer writes
now nobody holds more than that peer: where a link leads to it, its counts are taken from it and
from nobody else, and what another one claims is only a reason to ask it, a moment later, since news
pass each other. Only where it does not answer on that link, which a cut route does not close at
once, others are believed, until it says something again. That holds where links are secured, else a
link says nothing about who is at its end; and not in a crowd, where news come by way of others.

What stays is trust in members about those who are not there: a relay passes on what it holds, and
must. Of our own earlier lives a peer may rightly know more, when this disk was set back or lost its
end; that is taken in, and said where nobody expects it.

Whoever does what no member ever does by accident is in *quarantine*: it is refused for a minute,
and twice as long each time. Its counts come by way of others meanwhile, so time decides when it is
heard again and never what is true.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters, growth_of
from gcounterd.errors import PeerError
from gcounterd.ids import ColumnId, NodeId, column_id, node_of, show
from gcounterd.members.roster import Roster
from gcounterd.node.config import Config
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Drop, Effect, Notice
from gcounterd.node.messages import Channel, Hello, Refusal, Refused
from gcounterd.node.peers import Link, Peers

QUARANTINE_S = 60.0
QUARANTINE_S_MAX = 3600.0
# What no member does by mistake or bad luck (`PeerError.reason`).
LIES = ("own_column", "bad_batch", "grows_too_fast")
# Seconds of growth that may come at once, beside what the limit allows.
GROWTH_BURST_S = 60.0
# What another one claims of a linked writer may be on its way from that one, for so long; then that
# one is asked, and has so long to say anything at all.
PASSING_S = 1.0
ANSWER_S = 2.0
# Claims that are told; a liar could make up any number of columns. More are counted by the first.
CLAIMS_MAX = 64


@attrs.frozen
class Quarantined:
    """A peer that is refused: its name, since when and how long, and what it did."""

    name: str
    until: float
    seconds: float
    why: str


@attrs.frozen
class _Growth:
    """Since when a node is heard in this life, and by how much it has grown since."""

    since: float
    taken: int


@attrs.define(eq=False)
class _Doubt:
    """A peer claims to hold a linked writer's column up to a head; the writer is asked at `due`."""

    relay: Link
    head: int
    due: float
    asked: float | None = None


class Guarding:
    """What this node believes of whom; one per node."""

    def __init__(
        self, config: Config, counters: Counters, roster: Roster, peers: Peers, *, damaged: bool
    ) -> None:
        """`damaged`: this disk may lack what peers hold of our own earlier lives."""
        self._config = config
        self._counters = counters
        self._roster = roster
        self._peers = peers
        self._damaged = damaged
        self._lives = {config.column: None}
        self._claims: dict[ColumnId, None] = {}
        self._alarms: list[Effect] = []
        self._held: dict[NodeId, Quarantined] = {}
        self._grown: dict[NodeId, _Growth] = {}
        self._now = -float("inf")
        # Of running columns of linked peers, so no more than links.
        self._doubts: dict[ColumnId, _Doubt] = {}
        # Since when peers say nothing on links that are open.
        self._mute: dict[NodeId, float] = {}
        # Asks a peer for all that it has; takes what another one has.
        self.compare: Callable[[Link], list[Effect]] = lambda link: []
        self.believe: Callable[[Link, ColumnId, int], None] = lambda link, column, head: None

    def check_growth(self, link: Link, batch: Batch, now: float) -> None:
        """Raise `PeerError` where a writer counts faster than any should, by the operator's limit.

        What a node grew by before it was first heard in this life is nobody's business. From then
        on it may grow by the limit a second, on average, and by a burst besides.
        """
        limit, peer = self._config.growth_limit, link.peer
        held = self._counters.held(batch.column)
        if limit is None or peer != node_of(batch.column):
            return
        if held is None and self._counters.head(batch.column):
            return  # of an earlier life, and only on disk: what is lacking of it is what is late
        first = self._grown.get(peer)
        if first is None:
            self._grown[peer] = _Growth(now, 0)
            return
        taken = first.taken + growth_of(batch, held)
        if taken > limit * (now - first.since + GROWTH_BURST_S):
            raise PeerError("grows_too_fast", f"more than {limit} a second")
        self._grown[peer] = _Growth(first.since, taken)

    def reopened(self, config: Config) -> None:
        """Take note of our new epoch: the columns before are of this process as well."""
        self._config = config
        self._lives[config.column] = None

    def writer_of(self, column: ColumnId) -> Link | None:
        """Return the link to the process that writes a column, where that settles who knows it."""
        if not self._config.secured or is_crowded(self._roster):
            return None
        link = self._peers.to(node_of(column), Channel.BULK)
        if link is None or column_id(link.peer, link.hello.epoch) != column:
            return None
        return link

    def source_of(self, link: Link, column: ColumnId, head: int) -> Link | None:
        """Return whom to ask where a peer claims to hold a column up to a head; None for nobody."""
        if node_of(column) == self._config.node:
            return link if self._may_know(link, column, head) else None
        writer = self.writer_of(column)
        if writer is None or writer is link or self._is_mute(writer):
            return link
        if head > self._counters.head(column):
            doubt = self._doubts.setdefault(column, _Doubt(link, head, self._now + PASSING_S))
            doubt.head = max(doubt.head, head)
        return None

    def _is_mute(self, writer: Link) -> bool:
        return writer.said <= self._mute.get(writer.peer, -float("inf"))

    def heard(self, link: Link, now: float) -> None:
        """Take note that a peer says something on a link."""
        self._now = link.said = now

    def wake(self, now: float) -> list[Effect]:
        """Ask the writers of whom others claim something, and believe these where none answers."""
        self._now = now
        asked: dict[int, Link] = {}
        for column, doubt in list(self._doubts.items()):
            if doubt.due > now:
                continue
            writer = self.writer_of(column)
            if self._counters.head(column) >= doubt.head:
                del self._doubts[column]
            elif writer is None or self._is_mute(writer):
                self._settle(column, doubt)
            elif doubt.asked is None:
                doubt.asked, doubt.due = now, now + ANSWER_S
                asked[writer.id] = writer
            elif writer.said > doubt.asked:
                del self._doubts[column]  # it has told us what it has
            else:
                self._mute[writer.peer] = now
                self._settle(column, doubt)
        return [effect for writer in asked.values() for effect in self.compare(writer)]

    def _settle(self, column: ColumnId, doubt: _Doubt) -> None:
        """Believe a relay after all, if it is still there; else others will say the same."""
        del self._doubts[column]
        if self._peers.get(doubt.relay.id) is doubt.relay:
            self.believe(doubt.relay, column, doubt.head)

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing is in doubt)."""
        return min([doubt.due for doubt in self._doubts.values()], default=float("inf"))

    def _may_know(self, link: Link, column: ColumnId, head: int) -> bool:
        """Say whether a peer can hold more than we do of a column of our own node."""
        held = self._counters.head(column)
        if head <= held:
            return True
        line = self._counters.settled.get(column)
        final = line is not None and 0 < line.final < head
        if column in self._lives or final:
            said = _describe(link, column, held, head)
            self._alarm(column, Notice("own_column_claimed", said))
            return False
        if not self._damaged:
            said = _describe(link, column, held, head)
            self._alarm(column, Notice("own_past_ahead", said))
        return True

    def _alarm(self, column: ColumnId, notice: Notice) -> None:
        """Tell of a column once."""
        if column not in self._claims and len(self._claims) < CLAIMS_MAX:
            self._claims[column] = None
            self._alarms.append(notice)

    def alarms(self) -> list[Effect]:
        """Return what is to be told since the last call."""
        told, self._alarms = self._alarms, []
        return told

    # -- quarantine -------------------------------------------------------------------------

    def punish(self, link: Link, reason: str, now: float) -> list[Effect]:
        """Part with a peer for a while, if what it did is no accident and it is surely that one.

        Drops among the effects are of links that the caller has to forget.
        """
        if not self._config.secured or reason not in LIES:
            return []
        before = self._held.get(link.peer)
        seconds = min(2 * before.seconds, QUARANTINE_S_MAX) if before else QUARANTINE_S
        name = link.hello.name
        self._held[link.peer] = Quarantined(name, now + seconds, seconds, reason)
        fields: dict[str, str | int | float] = {"peer": name, "id": show(link.peer)}
        told = Notice("quarantined", {**fields, "why": reason, "seconds": seconds})
        drops = [Drop(each.id, "quarantined") for each in self._peers.of(link.peer)]
        return [told, *drops]

    def judge(self, hello: Hello, now: float) -> Refusal | None:
        """Return why a peer's hello is refused, or None."""
        held = self._held.get(hello.node)
        if held is None or now >= held.until:
            return None
        text = f"in quarantine for {held.until - now:.0f} s more: {held.why}"
        return Refusal(Refused.QUARANTINED, text, self._config.address)

    def quarantined(self, now: float) -> list[Quarantined]:
        """Return who is in quarantine, by node id."""
        return [self._held[node] for node in sorted(self._held) if now < self._held[node].until]


def _describe(link: Link, column: ColumnId, held: int, head: int) -> dict[str, str | int | float]:
    return {"peer": link.hello.name, "column": show(column), "held": held, "claimed": head}
