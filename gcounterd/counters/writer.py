"""The writer of this process's own column: increments gathered, then cut into batches.

Theory. A column has one writer, so its counts need no merging here: a batch holds, for each key
that changed, its count so far plus what was gathered. Increments wait in a plain dict; one commit
takes the whole dict (`cut`) while the next gathers, and only when the batch is durable do its
counts become visible. If the commit certainly failed (`abandon`), nothing has happened and the
waiting clients may be told so.

The writer checks amounts and keys, since here is the last place where "no" costs nothing.
"""

from __future__ import annotations

import numpy as np

from gcounterd.counters.batches import (
    COUNT_MAX,
    KEY_BYTES_MAX,
    Batch,
    Counts,
    Positions,
    split_blocks,
)
from gcounterd.counters.columns import Column, Totals
from gcounterd.counters.keys import KeyIndex
from gcounterd.counters.reserves import reserve
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId

AMOUNT_MAX = 2**31
# Different keys waiting for one commit; more are refused until it is through.
PENDING_KEYS_MAX = 1_000_000
# Bytes of the new ones among them: one commit writes them all as one group.
PENDING_NAME_BYTES_MAX = 64 * 1024 * 1024
# A total below this cannot pass 2^53 by what waits and is in flight together: both are bounded
# in amount by PENDING_AMOUNT_MAX, and a commit takes at most one of each.
_CLEARLY_SMALL = 2**52
PENDING_AMOUNT_MAX = 2**50


class Writer:
    """Gathers increments and cuts them into batches of the column `own`."""

    def __init__(self, own: ColumnId, keys: KeyIndex, max_counters: int) -> None:
        self.own = own
        self._keys = keys
        self.max_counters = max_counters
        self._pending: dict[bytes, int] = {}
        self._pending_amount = 0
        self._pending_new = 0
        self._pending_name_bytes = 0
        self._in_flight: dict[bytes, int] = {}
        self._in_flight_new = 0
        # row → position + 1 in the own column
        self._places = reserve(max_counters, np.uint32)

    def __len__(self) -> int:
        """Return the number of keys that wait for the next cut."""
        return len(self._pending)

    @property
    def idle(self) -> bool:
        """Say whether nothing waits and nothing is in flight."""
        return not (self._pending or self._in_flight)

    def reopen(self, own: ColumnId) -> None:
        """Write the new column `own` from the next cut on; what waits goes there."""
        assert not self._in_flight, "the last cut was neither applied nor abandoned"
        self.own = own
        self._places = reserve(self.max_counters, np.uint32)

    def add(self, key: bytes, amount: int, totals: Totals, most: int = AMOUNT_MAX) -> None:
        """Gather one increment of 1 to `most`; raise `ClientError` if it cannot be counted."""
        if not 1 <= amount <= most:
            raise ClientError(400, "bad_amount", f"an amount is 1 to {most}")
        pending = self._pending
        before = pending.get(key)
        row = self._keys.find(key)
        if self._pending_amount + amount > PENDING_AMOUNT_MAX:
            raise ClientError(503, "busy", "too much waits for the disk; try again")
        if row is not None and totals.item(row) >= _CLEARLY_SMALL:
            self._check_total(key, totals.item(row), amount)
        if before is None:
            self._admit(key, row)
        pending[key] = amount if before is None else before + amount
        self._pending_amount += amount

    def _admit(self, key: bytes, row: int | None) -> None:
        if len(self._pending) >= PENDING_KEYS_MAX:
            raise ClientError(503, "busy", "too many counters wait for the disk; try again")
        if row is not None:
            return
        check_key(key)
        if key in self._in_flight:
            return
        if self._pending_name_bytes + len(key) > PENDING_NAME_BYTES_MAX:
            raise ClientError(503, "busy", "too many new counters wait for the disk; try again")
        if len(self._keys) + self._in_flight_new + self._pending_new >= self.max_counters:
            raise ClientError(
                507, "too_many_counters", f"this node holds its {self.max_counters} counters"
            )
        self._pending_new += 1
        self._pending_name_bytes += len(key)

    def _check_total(self, key: bytes, total: int, amount: int) -> None:
        if total + self.waiting(key) + amount > COUNT_MAX:
            raise ClientError(400, "too_large", "the counter would pass 2^53")

    def waiting(self, key: bytes) -> int:
        """Return what was added to `key` and is not visible yet."""
        return self._pending.get(key, 0) + self._in_flight.get(key, 0)

    def gathered(self, key: bytes) -> int:
        """Return what was added to `key` since the last cut."""
        return self._pending.get(key, 0)

    def withdraw(self, key: bytes, amount: int) -> None:
        """Take back an increment gathered in this same step, before any cut."""
        left = self._pending[key] - amount
        self._pending_amount -= amount
        if left:
            self._pending[key] = left
        else:
            del self._pending[key]
            if self._keys.find(key) is None and key not in self._in_flight:
                self._pending_new -= 1
                self._pending_name_bytes -= len(key)

    def cut(self, column: Column | None) -> list[Batch]:
        """Turn what waits into batches above the own column's head; `column` is that column.

        One version per block, so that each fits a frame. The batches must be applied, all and in
        order, or abandoned, before the next cut.
        """
        assert not self._in_flight, "the last cut was neither applied nor abandoned"
        self._in_flight, self._pending = self._pending, {}
        self._in_flight_new, self._pending_new = self._pending_new, 0
        self._pending_amount = self._pending_name_bytes = 0
        if not self._in_flight:
            return []
        head = column.head if column else 0
        size = column.size if column else 0
        known, amounts, names, new_amounts = self._sort()
        counts = amounts if column is None else column.counts_at(known) + amounts
        fresh = np.arange(size, size + len(names), dtype=np.int64)
        blocks = split_blocks(
            size, names, np.concatenate([known, fresh]), np.concatenate([counts, new_amounts])
        )
        return [
            Batch(self.own, version - 1, version, (block,))
            for version, block in enumerate(blocks, head + 1)
        ]

    def _sort(self) -> tuple[Positions, Counts, list[bytes], Counts]:
        """Split what is in flight: known positions, ascending, and their amounts; names new to
        the column, and theirs."""
        keys = list(self._in_flight)
        amounts = np.fromiter(self._in_flight.values(), np.int64, len(keys))
        rows = np.array(self._keys.find_all(keys), np.int64)
        found = np.flatnonzero((rows >= 0) & (rows < len(self._places)))
        places = np.zeros(len(keys), np.int64)
        places[found] = self._places[rows[found]]
        known = np.flatnonzero(places)
        known = known[np.argsort(places[known])]
        new = np.flatnonzero(places == 0)
        return places[known] - 1, amounts[known], [keys[at] for at in new.tolist()], amounts[new]

    def place(self, row: int | None) -> int | None:
        """Return the position of a row in the own column, None if it has none."""
        if row is None or row >= len(self._places):
            return None
        return self._places.item(row) - 1 if self._places.item(row) else None

    def placed(self, rows: list[int], first: int) -> None:
        """Note that `rows` got the positions `first`, `first + 1`, … of the own column."""
        top = max(rows, default=0)
        if top >= len(self._places):  # merged counters took the index beyond its limit
            more = np.zeros(top + 1, np.uint32)
            self._places = np.concatenate([self._places, more])
        self._places[rows] = np.arange(first + 1, first + 1 + len(rows))

    def drop(self) -> None:
        """Forget what waits for the next cut: whoever added it is told that it was refused."""
        self._pending = {}
        self._pending_amount = self._pending_new = self._pending_name_bytes = 0

    def settle(self) -> None:
        """Forget what was in flight: it is applied, or certainly refused."""
        self._in_flight = {}
        self._in_flight_new = 0


def check_key(key: bytes) -> None:
    """Raise `ClientError` unless `key` is 1 to 1,024 bytes of UTF-8."""
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise ClientError(400, "bad_key", f"a key is 1 to {KEY_BYTES_MAX} bytes")
    try:
        key.decode()
    except UnicodeDecodeError:
        raise ClientError(400, "bad_key", "a key is UTF-8") from None
