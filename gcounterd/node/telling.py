"""Telling: what a node says of its heads, and to whom.

Theory. Two replicas compare by heads. Where the hash of all heads differs (`node.checks`) they are
told whole; then, each second, one random peer is told the heads that changed since it was told
last. Cost follows what changed, not how much there is.

Where many members count that would not hold: a given peer is told every half minute at best, and by
then nearly all columns have changed. While counts go on a peer is therefore told a few heads at
random, which says soon enough whether one misses what is pushed; a single lost push shows as a gap
at the next. When nothing changes any more, all that changed is told. In a crowd hashes that differ
mean nothing while counts go on, and what changed is told a few times when it is quiet, not to every
peer. Whoever has to catch up there, or lacks half of a sample, asks for all by telling its own.

This module refuses to know what follows from a head.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random

from gcounterd.counters.counters import OPEN_COLUMNS_MAX, Counters
from gcounterd.ids import ColumnId
from gcounterd.members.roster import Roster
from gcounterd.node.config import Config
from gcounterd.node.dialling import is_crowded
from gcounterd.node.effects import Effect, Send
from gcounterd.node.messages import Digest
from gcounterd.node.peers import Link

# Heads of a sample; and how often a change is told in a crowd after it has become quiet.
SAMPLE = 8
TELLINGS = 3
# How often a node of a crowd that is far behind asks for all heads.
ALL_AGAIN_S = 5.0


class Telling:
    """The heads of one node as its peers are told them."""

    def __init__(
        self, config: Config, counters: Counters, roster: Roster, rng: Random, now: float
    ) -> None:
        self._config = config
        self._counters = counters
        self._roster = roster
        self._rng = rng
        self._gossip_due = now + config.digest_every * rng.random()
        self._tell_all_due = False
        self._changes: dict[ColumnId, int] = dict.fromkeys(counters.heads(), 0)
        self._change = 0
        self._hash: bytes | None = None
        self._asked_all_at = now - ALL_AGAIN_S
        # The last change at the gossip before, and at each of the last quiet ones.
        self._before = 0
        self._quiet: deque[int] = deque([0] * TELLINGS, maxlen=TELLINGS)

    @property
    def is_crowded(self) -> bool:
        """Say whether there are too many members for each to be connected to each."""
        return is_crowded(self._roster)

    def changed(self, columns: Iterable[ColumnId]) -> None:
        """Note that the heads of these columns rose."""
        self._change += 1
        self._hash = None
        for column in columns:
            self._changes.pop(column, None)
            self._changes[column] = self._change

    def closed_columns(self, columns: Iterable[ColumnId]) -> None:
        """Note that columns are closed: their lines are told now, and not their heads."""
        self._hash = None
        for column in columns:
            self._changes.pop(column, None)

    def heads_hash(self) -> bytes:
        """Return 16 bytes that are equal where the heads of all open columns are."""
        if self._hash is None:
            self._hash = self._counters.digest_hash()
        return self._hash

    def level(self, link: Link) -> None:
        """Note that a peer has just what we have."""
        link.told = self._change

    def differs(self, link: Link) -> list[Effect]:
        """Follow up that a peer's hash of all heads differs from ours."""
        is_busy = self.is_crowded and self._change != self._before
        if not is_busy or link.hello.joining:
            return self.tell_all(link)
        link.told = self._change
        return self._tell_sample(link)

    def tell_all(self, link: Link) -> list[Effect]:
        """Tell a peer the head of every open column."""
        link.told = self._change
        heads = self._counters.heads()
        if len(heads) <= OPEN_COLUMNS_MAX:
            return [Send((link.id,), Digest(heads, whole=True))]
        return [Send((link.id,), page) for page in pages_of(heads)]

    def look(self, link: Link, told: int, behind: int, now: float) -> list[Effect]:
        """Ask a peer for all by telling all, where a sample of its heads is mostly above ours.

        A push under way explains one or two; half of a sample, that this node was away.
        """
        if told > SAMPLE or behind < SAMPLE // 2 or now < self._asked_all_at + ALL_AGAIN_S:
            return []
        self._asked_all_at = now
        return self.tell_all(link)

    def _tell_changes(self, link: Link) -> list[Effect]:
        """Tell a peer the heads that rose since it was last told."""
        since, link.told = link.told, self._change
        return [] if since is None else self._tell_since(link, since)

    def _tell_since(self, link: Link, since: int) -> list[Effect]:
        heads: dict[ColumnId, int] = {}
        for column, change in reversed(self._changes.items()):
            if change <= since or len(heads) == OPEN_COLUMNS_MAX:
                break
            heads[column] = self._counters.head(column)
        return [Send((link.id,), Digest(heads, whole=False))] if heads else []

    def _tell_sample(self, link: Link) -> list[Effect]:
        columns = list(self._changes)
        some = self._rng.sample(columns, min(SAMPLE, len(columns)))
        heads = {column: self._counters.head(column) for column in some}
        return [Send((link.id,), Digest(heads, whole=False))] if heads else []

    def abandoned(self) -> None:
        """Take note that a commit failed: what peers sent is dropped, and was told us only once."""
        self._tell_all_due = True

    def gossip(self, links: list[Link], now: float) -> tuple[Link | None, list[Effect]]:
        """Tell one random peer of `links` what changed, if that is due; return which."""
        if now < self._gossip_due:
            return None, []
        self._gossip_due = now + self._config.digest_every * self._rng.uniform(0.8, 1.2)
        told_all, self._tell_all_due = self._tell_all_due, False
        effects = [effect for link in links if told_all for effect in self.tell_all(link)]
        if not links:
            return None, effects
        link = self._rng.choice(links)
        is_busy, self._before = self._change != self._before, self._change
        if is_busy and len(self._changes) > SAMPLE:
            return link, effects + self._tell_sample(link)
        tell = self._tell_in_crowd if self.is_crowded else self._tell_changes
        return link, effects + tell(link)

    def _tell_in_crowd(self, link: Link) -> list[Effect]:
        since = self._quiet[0]
        self._quiet.append(self._change)
        return self._tell_since(link, since)

    def next_wake(self) -> float:
        """Return when to gossip."""
        return self._gossip_due


def pages_of(heads: dict[ColumnId, int]) -> list[Digest]:
    """Return heads as digests that a peer takes; at least one, if only to say that there is none.

    Islands that met may have more open columns than one digest holds.
    """
    items = list(heads.items())
    return [
        Digest(dict(items[at : at + OPEN_COLUMNS_MAX]), whole=False)
        for at in range(0, max(1, len(items)), OPEN_COLUMNS_MAX)
    ]
