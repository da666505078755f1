"""Late: what comes for a column when nothing of it can be counted any more.

Theory. A forgotten column has no content that a late version could be compared with, and of a
released one nothing more is taken from whoever is no member. Such a version is refused; but never
in silence: its content is fetched whole, written to a file, and only then is the one that offers it
told that it is refused, so that it can end. What the file says beyond what is counted, people have
to judge: the version up to which the column is counted stands in it.

One column is fetched at a time; others wait until they are offered again. This module refuses to
know files.
"""

from __future__ import annotations

from collections import Counter

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, NodeId, node_of, show
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Keep, Notice
from gcounterd.node.exchange import Exchange
from gcounterd.node.peers import Link
from gcounterd.node.releasing import Releasing

# A column of which nothing more arrives for so many patiences is given up until offered again.
PATIENCES = 4


@attrs.define(eq=False)
class _Fetching:
    """What is fetched to be kept in a file; `kept` once it is on its way there."""

    link: Link
    column: ColumnId
    due: float
    came: int = 0
    kept: bool = False


class Late:
    """Refused versions; one per node.

    refused  how many versions of columns of a node were refused
    """

    def __init__(
        self, config: Config, counters: Counters, exchange: Exchange, releasing: Releasing
    ) -> None:
        self._patience = PATIENCES * config.want_patience
        self._counters = counters
        self._exchange = exchange
        self._releasing = releasing
        self._written: dict[ColumnId, int] = {}
        self._now: _Fetching | None = None
        self.refused: Counter[NodeId] = Counter()

    def is_refused(self, column: ColumnId, head: int, peer: NodeId) -> bool:
        """Say whether a version that a peer offers will never be counted here."""
        if head <= self._counters.head(column):
            return False
        return self._counters.is_forgotten(column) or self._releasing.refuses(column, peer)

    def is_written(self, column: ColumnId, head: int) -> bool:
        """Say whether a refused version is in a file."""
        return self._written.get(column, 0) >= head

    def offer(self, link: Link, column: ColumnId, head: int, now: float) -> list[Effect]:
        """Fetch a refused version, unless it is in a file or another is being fetched."""
        if self._now is not None or self.is_written(column, head):
            return []
        self._now = _Fetching(link, column, now + self._patience)
        return self._exchange.fetch(link, {column: head}, now)

    def look(self, now: float) -> list[Effect]:
        """Have written what has come, and give up what does not come."""
        fetching = self._now
        if fetching is None or fetching.kept:
            return []
        batch = self._exchange.wholes.get(fetching.column)
        if batch is not None:
            fetching.kept = True
            self._exchange.release([fetching.column])
            return [Keep(batch, self._counters.head(fetching.column))]
        came = self._exchange.came([fetching.column])
        if came > fetching.came:
            fetching.came, fetching.due = came, now + self._patience
        if now >= fetching.due:
            self._give_up(fetching)
        return []

    def _give_up(self, fetching: _Fetching) -> None:
        self._exchange.release([fetching.column])
        self._now = None

    def kept(self, column: ColumnId, version: int) -> list[Effect]:
        """Take note that a version is in a file, or could not be written there (version 0)."""
        self._now = None
        if not version:
            return []
        self._written[column] = max(version, self._written.get(column, 0))
        self.refused[node_of(column)] += 1
        fields: dict[str, str | int | float] = {"column": show(column), "version": version}
        return [Notice("late_refused", fields)]

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        if self._now is not None and self._now.link.id == link and not self._now.kept:
            self._give_up(self._now)

    def next_wake(self) -> float:
        """Return when to look at the latest (`inf` if nothing is fetched)."""
        if self._now is None or self._now.kept:
            return float("inf")
        return self._now.due
