"""Late: what comes for a column when nothing of it can be counted any more.

Theory. A forgotten column has no content that a late version could be compared with, and of a
released one nothing more is taken from whoever is no member. Such a version is refused; but never
in silence: its content is fetched whole, written to a file, and only then is the one that offers it
told that it is refused, so that it can end. What the file says beyond what is counted, people have
to judge: the version up to which the column is counted stands in it.

A guest may have forgotten such a version itself. Then it comes as part of a sum, which is refused
and kept whole: the file says of which columns it is the sum, and which of them are counted.

One column is fetched at a time; others wait until they are offered again. This module refuses to
know files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from gcounterd.counters.counters import Counters
from gcounterd.counters.residues import VERSION, residue_id
from gcounterd.counters.settled import Line
from gcounterd.ids import ColumnId, NodeId, node_of, show
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Keep, Notice
from gcounterd.node.exchange import Exchange
from gcounterd.node.peers import Link
from gcounterd.node.releasing import Releasing

# A column of which nothing more arrives for so many patiences is given up until offered again.
PATIENCES = 4
# Columns that guests are known to have forgotten; others are found out again when they are offered.
SUMMED_MAX = 1 << 16


@attrs.define(eq=False)
class _Fetching:
    """What is fetched to be kept in a file; `kept` once it is on its way there.

    of  the lines of the columns that it is the sum of, if it is one
    """

    link: Link
    column: ColumnId
    due: float
    version: int
    of: Mapping[ColumnId, Line] = attrs.Factory(dict)
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
        # By link: columns that its guest has as part of a sum only.
        self._summed: dict[int, dict[ColumnId, None]] = {}
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
        if column in self._summed.get(link.id, ()):
            self._exchange.note_behind(link, column)  # `taking` asks of what it is a part
            return []
        return self._fetch(_Fetching(link, column, now + self._patience, head), now)

    def offer_sum(
        self, link: Link, node: NodeId, lines: Mapping[ColumnId, Line], now: float
    ) -> list[Effect]:
        """Fetch a sum that cannot be taken, unless it is in a file or another is being fetched."""
        versions = {column: line.version for column, line in lines.items()}
        written = all(self.is_written(column, version) for column, version in versions.items())
        if self._now is not None or written:
            return []
        column = residue_id(node, versions)
        return self._fetch(_Fetching(link, column, now + self._patience, VERSION, lines), now)

    def _fetch(self, fetching: _Fetching, now: float) -> list[Effect]:
        self._now = fetching
        return self._exchange.fetch(fetching.link, {fetching.column: fetching.version}, now)

    def told(self, link: Link, lines: Mapping[ColumnId, Line]) -> None:
        """Take note of what a guest has forgotten: of such a column it can give nothing."""
        summed = self._summed.setdefault(link.id, {})
        for column, line in lines.items():
            if line.forgotten and len(summed) < SUMMED_MAX:
                summed[column] = None
        fetching = self._now
        if fetching is not None and fetching.link is link and fetching.column in summed:
            self._give_up(fetching)

    def look(self, now: float) -> list[Effect]:
        """Have written what has come, and give up what does not come."""
        fetching = self._now
        if fetching is None or fetching.kept:
            return []
        batch = self._exchange.wholes.get(fetching.column)
        if batch is not None:
            fetching.kept = True
            self._exchange.release([fetching.column])
            head = self._counters.head
            of = {column: (line.version, head(column)) for column, line in fetching.of.items()}
            return [Keep(batch, 0 if of else head(fetching.column), of)]
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
        fetching, self._now = self._now, None
        if not version:
            return []
        of = fetching.of if fetching is not None else {}
        versions = {each: line.version for each, line in of.items()} or {column: version}
        for each, refused in versions.items():
            self._written[each] = max(refused, self._written.get(each, 0))
        self.refused[node_of(column)] += len(versions)
        fields: dict[str, str | int | float] = {"column": show(column), "version": version}
        return [Notice("late_refused", fields)]

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._summed.pop(link, None)
        if self._now is not None and self._now.link.id == link and not self._now.kept:
            self._give_up(self._now)

    def next_wake(self) -> float:
        """Return when to look at the latest (`inf` if nothing is fetched)."""
        if self._now is None or self._now.kept:
            return float("inf")
        return self._now.due
