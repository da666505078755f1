"""The intake: what was received or decided, and waits for the next group commit.

Theory. What a peer sends goes through the same commits as our own increments before it is shown
or counted as held. Between receipt and commit the node must still judge what follows (the next
batch of a column usually arrives in the same chunk), so the intake keeps the head and size that
each column *will* have. If a commit fails, everything that rested on it is dropped; counts come
again by anti-entropy, roster entries and used approvals are kept and tried again. An approval that
nobody has used is dropped: the operator who made it is told that it did not take effect, and one of
a peer comes again.
"""

from __future__ import annotations

from collections.abc import Container

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters, check_batch
from gcounterd.counters.settled import Closing
from gcounterd.ids import ColumnId, NodeId
from gcounterd.members.approvals import Approval, Key, keep_last, merge_approvals
from gcounterd.members.roster import Entry, merge_entries
from gcounterd.node.records import (
    Group,
    Record,
    TakeApprovals,
    TakeBatch,
    TakeClosings,
    TakeEntries,
)

# More than this and readers of links pause until a commit is through.
INTAKE_BYTES_MAX = 4 * 1024 * 1024
# What a batch costs beside its bytes, in memory and in work: so many small ones are few enough.
BATCH_OVERHEAD_BYTES = 1024
CLOSING_BYTES = 128
# Closings of one group; others wait for the next. What follows from them is done in one step.
CLOSINGS_PER_GROUP = 1024


class Intake:
    """Records waiting for a commit, and the heads they lead to."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._batches: list[Batch] = []
        self._closings: dict[ColumnId, Closing] = {}
        self._entries: dict[NodeId, Entry] = {}
        self._committing: dict[NodeId, None] = {}
        self._approvals: dict[Key, Approval] = {}
        self._expected: dict[ColumnId, tuple[int, int]] = {}
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._batches or self._closings or self._entries or self._approvals)

    @property
    def full(self) -> bool:
        """Say whether whoever reads from links should wait."""
        return self.size_bytes > INTAKE_BYTES_MAX

    @property
    def members(self) -> dict[NodeId, None]:
        """Return the nodes whose entries wait, or are in the commit under way."""
        return self._committing | dict.fromkeys(self._entries)

    def expected(self, column: ColumnId) -> tuple[int, int]:
        """Return the (head, size) that `column` has once all that waits is applied."""
        known = self._expected.get(column)
        return known or (self._counters.head(column), self._counters.size(column))

    def take_batch(self, batch: Batch) -> bool:
        """Queue a batch that continues what is expected; return False if it is known or a gap.

        Raises `PeerError` if it contradicts itself; nothing is queued then.
        """
        head, size = self.expected(batch.column)
        if self._counters.is_forgotten(batch.column) or not batch.since <= head < batch.version:
            return False
        self._expected[batch.column] = (batch.version, check_batch(batch, size))
        self._batches.append(batch)
        self.size_bytes += _size_of(batch)
        return True

    def take_closings(self, closings: tuple[Closing, ...]) -> None:
        """Queue closings of columns; one that is queued already is merged, so stands once."""
        for closing in closings:
            queued = self._closings.get(closing.column)
            if queued is None:
                self.size_bytes += CLOSING_BYTES
                queued = closing
            final = max(queued.final, closing.final)
            source = queued.source or closing.source
            self._closings[closing.column] = Closing(closing.column, final, source)

    def take_entries(self, entries: tuple[Entry, ...]) -> None:
        """Queue roster entries; a member that is queued already is merged, so stands once."""
        for entry in entries:
            queued = self._entries.get(entry.node)
            self._entries[entry.node] = merge_entries(queued, entry) if queued else entry

    def take_approvals(self, approvals: tuple[Approval, ...]) -> None:
        """Queue approvals; one that is queued already is merged, so stands once."""
        for approval in approvals:
            queued = self._approvals.get(approval.key)
            merged = merge_approvals(queued, approval) if queued else approval
            self._approvals[approval.key] = merged
        self._approvals = keep_last(self._approvals)  # the others would not be kept either

    def cut(self, own: list[Batch]) -> Group:
        """Make one group of all that waits and of our own batches."""
        records: list[Record] = [TakeBatch(batch) for batch in (*self._batches, *own)]
        closings = self._next_closings()
        if closings:
            records.append(TakeClosings(closings))
        if self._approvals:
            records.append(TakeApprovals(tuple(self._approvals.values())))
        if self._entries:
            records.append(TakeEntries(tuple(self._entries.values())))
        facts = bool(closings or self._approvals or self._entries)
        self._committing = dict.fromkeys(self._entries)
        self._batches, self._entries, self._approvals = [], {}, {}
        for closing in closings:
            del self._closings[closing.column]
        self.size_bytes = CLOSING_BYTES * len(self._closings)
        return Group(tuple(records), facts, bool(own))

    def _next_closings(self) -> tuple[Closing, ...]:
        """Return the closings of a group; those of its batches first, for an import is both."""
        batches = dict.fromkeys(batch.column for batch in self._batches)
        first = {c: self._closings[c] for c in batches if c in self._closings}
        ordered = [*first.values(), *(c for c in self._closings.values() if c.column not in first)]
        return tuple(ordered[: max(len(first), CLOSINGS_PER_GROUP)])

    def committed(self) -> None:
        """Forget expectations that are now simply true."""
        self._committing = {}
        waiting = {batch.column for batch in self._batches}
        self._expected = {
            column: ends for column, ends in self._expected.items() if column in waiting
        }

    def abandoned(self, group: Group) -> list[ColumnId]:
        """Drop what rested on a group that failed, but try its facts again.

        Returns the imports of which it held the content: their closings are dropped as well, since
        they would tell of what is not there.
        """
        batches = dict.fromkeys(r.batch.column for r in group.records if isinstance(r, TakeBatch))
        dropped: list[ColumnId] = []
        self._keep_imports(batches)
        self._committing = {}
        for record in group.records:
            match record:
                case TakeClosings(closings):
                    imports = [c.column for c in closings if c.source and c.column in batches]
                    dropped += imports
                    self.take_closings(tuple(c for c in closings if c.column not in imports))
                case TakeEntries(entries):
                    self.take_entries(entries)
                case TakeApprovals(approvals):
                    used = [each for each in approvals if each.used_by is not None]
                    self.take_approvals(tuple(used))
        return dropped

    def _keep_imports(self, failed: Container[ColumnId]) -> None:
        """Drop the batches that wait, but for imports, which rest on nothing.

        No peer may have them to send again, and who waits for one is not told of this failure.
        """
        named = dict.fromkeys(c.column for c in self._closings.values() if c.source)
        self._batches = [b for b in self._batches if b.column in named and b.column not in failed]
        self._expected = {b.column: self._expected[b.column] for b in self._batches}
        self.size_bytes = CLOSING_BYTES * len(self._closings) + sum(map(_size_of, self._batches))


def _size_of(batch: Batch) -> int:
    return BATCH_OVERHEAD_BYTES + sum(len(block.encoded) for block in batch.blocks)
