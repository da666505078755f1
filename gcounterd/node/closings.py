"""Closings: which columns this node says are over, and what follows when one is.

Theory. A column is over when no process will write it again. Of the columns of its own node a
process knows that: those of earlier lives are, whatever peers may still hold of them, so it closes
them as soon as it sees them and asks nobody. Of a removed node all are, by the roster, which every
member reads for itself. So are those of a node that no roster knows: its entry is lost with the
disks that held it, and nobody could ever remove it. Entries come with the columns or soon after, so
such a column is given the time in which rosters are compared twice. Everything else is learnt from
peers (`node.settling`). A wrong word does no harm: what is still written to a closed column is
taken in like any late batch, and its writer, who learns of it, goes on in a new column.

Whoever decides tells everyone at once; what that misses is found by comparing. This module refuses
to know what closing does to counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId, NodeId, epoch_of, node_of
from gcounterd.members.roster import Entry, Roster, State
from gcounterd.node.config import Config
from gcounterd.node.effects import Effect, Redraw
from gcounterd.node.intake import Intake

# A column whose node nobody has told of is given so many times the time between two comparisons.
PATIENCES = 2
# Such columns watched at a time; more show again when they grow, or at the next start.
STRANGE_MAX = 1024
# A closed running column is left for a new one at once, then ever more seldom.
REDRAW_AGAIN_S = 1.0
REDRAW_AGAIN_S_MAX = 60.0
# What was added waits so long for a new column, which takes one write to the disk; then it is
# refused, and so is what comes, until there is one.
HELD_BACK_S_MAX = 1.0


class Closings:
    """What this node closes; one per node.

    finished  this process has written its last
    refuses   there is no column for increments, and none will come at once
    """

    def __init__(
        self, config: Config, counters: Counters, roster: Roster, intake: Intake, now: float
    ) -> None:
        self._config = config
        # Open columns of nodes that the roster does not know, and when they are closed.
        self._strange: dict[ColumnId, float] = {}
        self._counters = counters
        self._roster = roster
        self._intake = intake
        self._redraw_due = -float("inf")
        self._redraw_delay = REDRAW_AGAIN_S
        self._held_since = float("inf")
        self._stays = True
        self.refuses = False
        # Decided here: peers are told when it is durable.
        self._decided: dict[ColumnId, None] = {}
        self.finished = False
        self._close(counters.heads())
        self._watch(counters.heads(), now)

    def _watch(self, columns: Iterable[ColumnId], now: float) -> None:
        """Watch those of some columns whose nodes nobody has told of."""
        for column in columns:
            if self._is_strange(column) and len(self._strange) < STRANGE_MAX:
                self._strange.setdefault(column, now + PATIENCES * self._config.hash_every)

    def _is_strange(self, column: ColumnId) -> bool:
        node = node_of(column)
        known = node == self._config.node or node in self._roster
        return not known and self._counters.is_open(column)

    def _close_strange(self, now: float) -> None:
        """Close what has been strange for long enough, once this node is a member."""
        mine = self._roster.get(self._config.node)
        is_member = mine is not None and mine.state is State.ACTIVE
        for column in [column for column, due in self._strange.items() if due <= now]:
            del self._strange[column]
            if is_member and self._is_strange(column):
                closing = Closing(column)
                self.decide(closing)
            elif not is_member:
                self._watch([column], now)

    def _close(self, columns: Iterable[ColumnId]) -> None:
        """Close those of some columns that are over."""
        for column in columns:
            if self._counters.is_open(column) and self._is_over(column):
                self.decide(Closing(column))

    def decide(self, closing: Closing) -> None:
        """Close a column, and tell everyone when that is durable."""
        self._decided[closing.column] = None
        self._intake.take_closings((closing,))

    def _is_over(self, column: ColumnId) -> bool:
        node = node_of(column)
        if node == self._config.node:
            return column < self._config.column
        return self._is_removed(node)

    def _is_removed(self, node: NodeId) -> bool:
        entry = self._roster.get(node)
        return entry is not None and entry.state is State.REMOVED

    def finish(self) -> None:
        """Close the running column for good: this process writes nothing after what is committed.

        Call it when nothing waits to be cut.
        """
        assert self._counters.writer.idle
        self.finished = True
        self._end()

    def _end(self) -> None:
        """Declare the running column final: nobody else writes it, and we do not any more."""
        own = self._config.column
        head = self._counters.head(own)
        if head:
            self.decide(Closing(own, head))

    # -- commits ----------------------------------------------------------------------------

    def grown(self, columns: Sequence[ColumnId], now: float) -> None:
        """Take note that batches of these columns were taken in."""
        self._close(columns)
        self._watch(columns, now)

    def merged(self, entries: Iterable[Entry]) -> None:
        """Take note that roster entries were: members may have been removed."""
        removed = {entry.node: None for entry in entries if self._is_removed(entry.node)}
        if removed:
            self._close([column for column in self._counters.heads() if node_of(column) in removed])

    def closed(self, closings: Iterable[Closing], now: float) -> list[ColumnId]:
        """Take note that columns were closed; return those that this node decided about."""
        told = []
        if self.holds_back:
            self._held_since = min(self._held_since, now)
        for closing in closings:
            if closing.column in self._decided:
                del self._decided[closing.column]
                told.append(closing.column)
        return told

    def undecide(self, columns: Iterable[ColumnId]) -> None:
        """Take note that closings were dropped, with the imports that they belonged to."""
        for column in columns:
            self._decided.pop(column, None)

    # -- the running column -----------------------------------------------------------------

    @property
    def holds_back(self) -> bool:
        """Say whether what is added has to wait for a new column."""
        return self._counters.is_closed(self._config.column)

    def reopened(self, config: Config) -> None:
        """Take note of our new epoch: the column before is over."""
        self._end()
        self._config = config
        self._held_since, self.refuses = float("inf"), False
        self._close(self._counters.heads())

    def wake(self, now: float, *, stays: bool) -> list[Effect]:
        """Ask for a new column where ours is closed and this process `stays`; else give up."""
        self._stays = stays
        if self._strange:
            self._close_strange(now)
        if self.holds_back and now >= self._refuse_due:
            self.refuses = True
        if not self._needs_column or now < self._redraw_due:
            return []
        self._redraw_due = now + self._redraw_delay
        self._redraw_delay = min(2 * self._redraw_delay, REDRAW_AGAIN_S_MAX)
        return [Redraw(epoch_of(self._config.column))]

    @property
    def _needs_column(self) -> bool:
        is_over = self.finished or not self._stays or self._is_removed(self._config.node)
        return self.holds_back and not is_over

    @property
    def _refuse_due(self) -> float:
        return self._held_since + HELD_BACK_S_MAX if self._needs_column else -float("inf")

    def next_wake(self) -> float:
        """Return when to wake at the latest (`inf` if nothing presses)."""
        strange_due = min(self._strange.values()) if self._strange else float("inf")
        return min(strange_due, self._column_due())

    def _column_due(self) -> float:
        if not self.holds_back:
            return float("inf")
        redraw_due = self._redraw_due if self._needs_column else float("inf")
        return redraw_due if self.refuses else min(redraw_due, self._refuse_due)
