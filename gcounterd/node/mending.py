"""Mending: cold columns whose copy on disk is found damaged are fetched again from a peer.

Theory. What is counted is in memory and stays right; but a copy that cannot be read can be given to
nobody, and a late batch for it could not be taken in. A start would find the damage and fetch the
column from zero; while the node runs, its peers are asked in turn for the whole of it, and what
comes at just the version held here is written in its place (`counters.mends`). Where every peer is
ahead, a late batch is on its way: the process ends when it comes, since the disk cannot be trusted,
and the next start mends it.

This module refuses to know how damage is found.
"""

from __future__ import annotations

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.mends import Mend
from gcounterd.ids import ColumnId, NodeId, show
from gcounterd.node.config import Config
from gcounterd.node.effects import Carry, Effect, Notice
from gcounterd.node.exchange import Exchange
from gcounterd.node.messages import Channel
from gcounterd.node.peers import Link, Peers

# Damaged columns that are remembered; others are found again when they are asked for.
DAMAGED_MAX = 64
# A peer of whose copy nothing more arrives for so many patiences is given up for the next one.
PATIENCES = 4
# When all peers were asked in vain, they are asked again so much later.
AGAIN_S = 30.0


@attrs.define(eq=False)
class _Fetching:
    """What is fetched to be put in place; `carried` once it is on its way there."""

    link: Link
    column: ColumnId
    due: float
    came: int = 0
    carried: bool = False


class Mending:
    """Damaged copies of one node."""

    def __init__(
        self, config: Config, counters: Counters, exchange: Exchange, peers: Peers
    ) -> None:
        self._patience = PATIENCES * config.want_patience
        self._counters = counters
        self._exchange = exchange
        self._peers = peers
        # By column, which peers were asked in vain.
        self._damaged: dict[ColumnId, dict[NodeId, None]] = {}
        self._now: _Fetching | None = None
        self._due = float("inf")

    def damaged(self, column: ColumnId, now: float) -> list[Effect]:
        """Take note that a cold column cannot be read."""
        if column in self._damaged or len(self._damaged) == DAMAGED_MAX:
            return []
        self._damaged[column] = {}
        return [Notice("copy_damaged", {"column": show(column)}), *self.look(now)]

    def all(self) -> list[ColumnId]:
        """Return the columns that cannot be read, as far as that is known."""
        return list(self._damaged)

    # -- fetching ---------------------------------------------------------------------------

    def look(self, now: float) -> list[Effect]:
        """Go on with what is fetched, or begin with the next."""
        fetching = self._now
        if fetching is None:
            return self._begin(now) if self._damaged else []
        if fetching.carried:
            return []
        batch = self._exchange.wholes.get(fetching.column)
        if batch is not None:
            self._exchange.release([fetching.column])
            if batch.version != self._counters.head(fetching.column):
                return self._give_up(fetching, now)
            fetching.carried = True
            return [Carry(Mend(self._counters, batch))]
        came = self._exchange.came([fetching.column])
        if came > fetching.came:
            fetching.came, fetching.due = came, now + self._patience
        return self._give_up(fetching, now) if now >= fetching.due else []

    def _begin(self, now: float) -> list[Effect]:
        """Ask the next peer for the next column; later again where all were asked."""
        self._damaged = {c: asked for c, asked in self._damaged.items() if self._is_cold(c)}
        links = self._peers.on(Channel.BULK)
        for column, asked in self._damaged.items():
            fresh = [link for link in links if link.peer not in asked]
            if fresh and column not in self._exchange.wholes:
                asked[fresh[0].peer] = None
                self._now = _Fetching(fresh[0], column, now + self._patience)
                self._due = self._now.due
                return self._exchange.fetch(fresh[0], {column: self._counters.head(column)}, now)
        if now >= self._due:  # some have come, or come back
            for asked in self._damaged.values():
                asked.clear()
        self._due = now + AGAIN_S if self._damaged else float("inf")
        return []

    def _is_cold(self, column: ColumnId) -> bool:
        return self._counters.is_cold(column)

    def _give_up(self, fetching: _Fetching, now: float) -> list[Effect]:
        self._exchange.release([fetching.column])
        self._now, self._due = None, now + AGAIN_S
        return self._begin(now)

    def turned(self, mend: Mend, now: float, *, done: bool) -> list[Effect]:
        """Take note that a copy was written, or could not be."""
        self._now, self._due = None, now + AGAIN_S
        effects: list[Effect] = []
        if done and self._damaged.pop(mend.column, None) is not None:
            effects.append(Notice("copy_mended", {"column": show(mend.column)}))
        return [*effects, *self._begin(now)]

    def closed(self, link: int) -> None:
        """Take note that a link is gone: the next look asks another peer."""
        if self._now is not None and self._now.link.id == link and not self._now.carried:
            self._exchange.release([self._now.column])
            self._now = None
            self._due = -float("inf")

    def next_wake(self) -> float:
        """Return when to look at the latest (`inf` if nothing is damaged)."""
        if self._now is not None:
            return float("inf") if self._now.carried else self._now.due
        return self._due if self._damaged else float("inf")
