"""Keeping: answering writers that ask whether their increments are held here.

Theory. Heads rise only when what they stand for is committed here, so the answer to "do you hold
version v durably?" is a comparison. Where it is still "no" the question is remembered, and every
commit that raises the column is told until the answer is "yes": a stream of questions about ever
higher versions then gets a stream of answers, one for each commit and not for each question. Who
asks about more than is held has it, so it is asked for. A question that is forgotten, with its link
or because there are too many, is put again by whoever waits.

This module refuses to know why somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Effect, Send
from gcounterd.node.exchange import Exchange
from gcounterd.node.kept_messages import AskKept, Kept
from gcounterd.node.peers import Link

# Columns that one link may wait for: a writer asks about its running one, and rarely about those of
# its earlier lives. Others are not remembered, and asked about again.
COLUMNS_PER_LINK_MAX = 64


class Keeping:
    """What peers wait for, by link; one per node."""

    def __init__(self, counters: Counters, exchange: Exchange) -> None:
        self._counters = counters
        self._exchange = exchange
        self._waiting: dict[int, dict[ColumnId, int]] = {}

    def take(self, link: Link, ask: AskKept, now: float, *, mute: bool) -> list[Effect]:
        """Answer what is held, remember the rest and fetch it; `mute`: take nothing in."""
        head = self._counters.head
        held = {column: h for column, v in ask.heads.items() if (h := head(column)) >= v}
        effects: list[Effect] = [Send((link.id,), Kept(held))] if held else []
        lacking = {column: v for column, v in ask.heads.items() if column not in held}
        if not lacking:
            return effects
        waiting = self._waiting.setdefault(link.id, {})
        for column, version in lacking.items():
            if column in waiting or len(waiting) < COLUMNS_PER_LINK_MAX:
                waiting[column] = max(version, waiting.get(column, 0))
            if not mute:
                self._exchange.ahead(link, column, version)
        return effects + self._exchange.ask(now)

    def grown(self, columns: Iterable[ColumnId]) -> list[Effect]:
        """Tell who waits for columns that were raised durably."""
        if not self._waiting:
            return []
        heads = {column: self._counters.head(column) for column in columns}
        effects: list[Effect] = []
        for link, waiting in list(self._waiting.items()):
            held = {column: heads[column] for column in waiting if column in heads}
            if not held:
                continue
            effects.append(Send((link,), Kept(held)))
            for column, version in held.items():
                if version >= waiting[column]:
                    del waiting[column]
            if not waiting:
                del self._waiting[link]
        return effects

    def closed(self, link: int) -> None:
        """Take note that a link is gone."""
        self._waiting.pop(link, None)

    def __len__(self) -> int:
        """Return how many answers are owed."""
        return sum(map(len, self._waiting.values()))
