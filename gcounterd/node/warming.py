"""Warming: which closed columns are in memory, and for how long.

Theory. A closed column lies on disk, and is rarely looked at: by a newcomer, which wants all of
them, or by a batch that comes late. Then it is read, and kept while it is used, since a large
column is served in many parts; and until all that was written to it is on disk again. So memory
follows what is going on and not how many processes there ever were.

This module refuses to know disks: it asks its shell to read (`Load`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId
from gcounterd.node.effects import Effect, Load
from gcounterd.node.serving import Serving

# Columns read at a time; others wait in order. Each is asked for by a window of parts to serve,
# of which there are at most SERVING_MAX.
LOADS_MAX = 2
# A column that was not raised for so long, and is not being served, is let go.
UNUSED_S = 2.0
LOOK_EVERY_S = 1.0
# More closed columns in memory than this, or of more positions (some 20 bytes each) together, and
# what they wait for is due: to be written to disk.
WARM_MAX = 64
WARM_POSITIONS_MAX = 4 * 1024 * 1024
# Columns looked at in one step, 2 to 15 us each: a start may leave thousands to be let go.
COLUMNS_PER_LOOK = 256


class Warming:
    """Closed columns in memory; one per node."""

    def __init__(self, counters: Counters, serving: Serving, now: float) -> None:
        self._counters = counters
        self._serving = serving
        self._loading: dict[ColumnId, None] = {}
        self._waiting: dict[ColumnId, None] = {}
        # Those that the group under way raises: they stay until it is applied, however long.
        self._pinned: dict[ColumnId, None] = {}
        self._used = dict.fromkeys(counters.warm_columns(), now)
        # Those that are still to be looked at in this round.
        self._round: deque[ColumnId] = deque()
        self._due = now if self._used else float("inf")

    def use(self, column: ColumnId, now: float) -> None:
        """Note that a closed column in memory is used."""
        self._used[column] = now
        self._due = min(self._due, now + LOOK_EVERY_S)

    def pin(self, columns: Iterable[ColumnId]) -> None:
        """Keep closed columns in memory until the next `unpin`."""
        self._pinned = dict.fromkeys(columns)

    def unpin(self) -> None:
        """Keep no column because of a group any more: it is applied."""
        self._pinned = {}

    def need(self, now: float) -> list[Effect]:
        """Have the columns read that the exchange waits for."""
        for column in self._serving.cold_wanted:
            if column not in self._loading:
                self._waiting.setdefault(column)
        return self._load()

    def _load(self) -> list[Effect]:
        effects: list[Effect] = []
        while self._waiting and len(self._loading) < LOADS_MAX:
            column = next(iter(self._waiting))
            del self._waiting[column]
            self._loading[column] = None
            effects.append(Load(column))
        return effects

    def loaded(self, column: ColumnId, now: float) -> list[Effect]:
        """Take note that a column was read, or could not be."""
        self._loading.pop(column, None)
        if self._counters.held(column) is not None:
            self.use(column, now)
        self._serving.warmed(column, now)
        return self.need(now)

    @property
    def crowded(self) -> bool:
        """Say whether so many columns wait to be written that it should be done now."""
        some = islice(self._used, COLUMNS_PER_LOOK)
        held = [column for column in some if self._counters.held(column) is not None]
        size = sum(self._counters.size(column) for column in held)
        if len(held) <= WARM_MAX and size <= WARM_POSITIONS_MAX:
            return False
        waiting = [column for column in held if not self._counters.may_chill(column)]
        size = sum(self._counters.size(column) for column in waiting)
        return len(waiting) > WARM_MAX or size > WARM_POSITIONS_MAX

    def wake(self, now: float) -> None:
        """Let go of what nobody used for a while and is on disk as it is."""
        if now < self._due:
            return
        if not self._round:
            self._round.extend(self._counters.warm_columns())
        served = self._serving.columns(now)
        for _ in range(min(COLUMNS_PER_LOOK, len(self._round))):
            column = self._round.popleft()
            since = self._used.setdefault(column, now)
            if now >= since + UNUSED_S and column not in served:
                self._let_go(column)
        if self._round:
            return  # it goes on at once, when others have had their turn
        self._used = {c: at for c, at in self._used.items() if self._counters.held(c)}
        self._due = now + LOOK_EVERY_S if self._used else float("inf")

    def _let_go(self, column: ColumnId) -> None:
        is_held = self._counters.held(column) is not None
        if is_held and column not in self._pinned and self._counters.may_chill(column):
            self._serving.chilled(column)
            self._counters.chill(column)

    def next_wake(self) -> float:
        """Return when to look again (`inf` if no closed column is in memory)."""
        return self._due
