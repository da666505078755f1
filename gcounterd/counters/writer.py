"""The writer of this process's own column: increments gathered, then cut into batches.

Theory. A column has one writer, so its counts need no merging here: a batch holds, for each key
that changed, its count so far plus what was gathered. Increments wait in a plain dict; one commit
takes the whole dict (`cut`) while the next gathers, and only when the batch is durable do its
counts become visible. If the commit certainly failed (`abandon`), nothing has happened and the
waiting clients may be told so.

The writer checks amounts and keys, since here is the last place where "no" costs nothing.

Ten thousand counters may come in one request, and many such requests for one commit. They are added
in one step, all or none, so what takes long is done before: finding their rows (`looking_up`). What
was taken for a commit changes no more, so it is cut in slices (`cutting`).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from itertools import islice

import attrs
import numpy as np

from gcounterd.counters.batches import (
    COUNT_MAX,
    KEY_BYTES_MAX,
    Batch,
    Counts,
    Positions,
    are_keys,
    make_block,
    splitting,
)
from gcounterd.counters.columns import Column, Totals
from gcounterd.counters.keys import KeyIndex
from gcounterd.counters.ones import Ones, Rows
from gcounterd.counters.reserves import reserve
from gcounterd.counters.sorting import Sorted, in_order, join, summed
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
# Ones that wait for one commit, and are cut in one step: a millisecond, or 4 under their names.
_ONES_MAX = 8192
# Work of one slice: keys found.
_KEYS_PER_SLICE = 2048


@attrs.frozen
class LookedUp:
    """The rows of some keys, -1 where there was none when the index had `size` names."""

    rows: list[int]
    size: int


class Writer:
    """Gathers increments and cuts them into batches of the column `own`."""

    def __init__(self, own: ColumnId, keys: KeyIndex, max_counters: int) -> None:
        self.own = own
        self._keys = keys
        self.max_counters = max_counters
        self._pending: dict[bytes, int] = {}
        self._ones = Ones()  # what waits as well
        self._pending_amount = 0
        self._pending_new = 0
        self._pending_name_bytes = 0
        self._in_flight: dict[bytes, int] = {}
        self._ones_in_flight = Ones()
        self._in_flight_new = 0
        # row → position + 1 in the own column
        self._places = reserve(max_counters, np.uint32)

    def __len__(self) -> int:
        """Return how many keys wait for the next cut at most; 0 if none does."""
        return len(self._pending) + len(self._ones)

    @property
    def idle(self) -> bool:
        """Say whether nothing waits and nothing is in flight."""
        return not (self or self._in_flight or self._ones_in_flight)

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

    def add_each(
        self, keys: Sequence[bytes], totals: Totals
    ) -> tuple[Rows, dict[int, ClientError]]:
        """Gather an increment of one for each key, in order; there is at least one.

        Return their rows, and by place why some are refused.
        """
        rows = Rows.of(self._keys.find_all(keys))
        known = rows.known()
        slow: Iterable[int] = rows.lacking
        if known is not None:
            if self._takes(known, totals):
                self._ones.gather(known)
                self._pending_amount += len(known)
            else:
                slow = range(len(keys))
        refused = {}
        for place in slow:
            try:
                self.add(keys[place], 1, totals)
            except ClientError as error:
                refused[place] = error
        return rows, refused

    def _takes(self, known: Rows, totals: Totals) -> bool:
        """Say whether increments of one certainly need no check of each."""
        number = len(known)
        return (
            len(self) + number <= PENDING_KEYS_MAX
            and len(self._ones) + number <= _ONES_MAX
            and self._pending_amount + number <= PENDING_AMOUNT_MAX
            and known.highest(totals) < _CLEARLY_SMALL
        )

    def _fold(self) -> None:
        """Let ones wait under their names, as all else does."""
        pending, names = self._pending, self._keys.names
        for row, number in self._ones.by_row():
            name = names[row]
            pending[name] = pending.get(name, 0) + number
        self._ones = Ones()

    def looking_up(self, keys: Collection[bytes]) -> Generator[None, None, LookedUp]:
        """Find the rows of keys, pausing between slices."""
        size, rest = len(self._keys), iter(keys)
        rows: list[int] = []
        while part := list(islice(rest, _KEYS_PER_SLICE)):
            if rows:
                yield
            rows += self._keys.find_all(part)
        return LookedUp(rows, size)

    def add_all(self, counts: Mapping[bytes, int], found: LookedUp, totals: Totals) -> None:
        """Gather one increment each, all or none; raise `ClientError` if one cannot be counted."""
        rows = found.rows
        if len(self._keys) != found.size:
            rows = self._keys.find_all(counts)
        amounts = counts.values()
        self._check_amounts(amounts, AMOUNT_MAX)
        pending = self._pending
        again = [key for key in counts if key in pending] if pending else []
        self._check_totals(counts, rows, totals)
        unknown = [key for key, row in zip(counts, rows, strict=True) if row < 0]
        check_keys(unknown)
        new = [key for key in unknown if key not in pending and key not in self._in_flight]
        size = sum(map(len, new))
        self._check_room(len(counts) - len(again), len(new), size)
        pending.update({**counts, **{key: counts[key] + pending[key] for key in again}})
        self._pending_amount += sum(amounts)
        self._pending_new += len(new)
        self._pending_name_bytes += size

    def _check_amounts(self, amounts: Collection[int], most: int) -> None:
        if not 1 <= min(amounts) <= max(amounts) <= most:
            raise ClientError(400, "bad_amount", f"an amount is 1 to {most}")
        if self._pending_amount + sum(amounts) > PENDING_AMOUNT_MAX:
            raise ClientError(503, "busy", "too much waits for the disk; try again")

    def _check_totals(self, counts: Mapping[bytes, int], rows: list[int], totals: Totals) -> None:
        found = np.array(rows, np.int64)
        before = np.where(found < 0, 0, totals[np.maximum(found, 0)])
        large = np.flatnonzero(before >= _CLEARLY_SMALL).tolist()
        keys = list(counts) if large else []
        for at in large:
            self._check_total(keys[at], int(before[at]), counts[keys[at]])

    def _check_room(self, keys: int, new: int, size: int) -> None:
        """Raise `ClientError` unless so many more keys may wait, and new ones of so many bytes."""
        if len(self) + keys > PENDING_KEYS_MAX:
            raise ClientError(503, "busy", "too many counters wait for the disk; try again")
        if new and self._pending_name_bytes + size > PENDING_NAME_BYTES_MAX:
            raise ClientError(503, "busy", "too many new counters wait for the disk; try again")
        known = len(self._keys) + self._in_flight_new + self._pending_new
        if new and known + new > self.max_counters:
            raise ClientError(
                507, "too_many_counters", f"this node holds its {self.max_counters} counters"
            )

    def _admit(self, key: bytes, row: int | None) -> None:
        if row is not None and len(self) < PENDING_KEYS_MAX:
            return
        check_key(key)
        new = row is None and key not in self._in_flight
        self._check_room(1, int(new), len(key))
        if not new:
            return
        self._pending_new += 1
        self._pending_name_bytes += len(key)

    def _check_total(self, key: bytes, total: int, amount: int) -> None:
        if total + self.waiting(key) + amount > COUNT_MAX:
            raise ClientError(400, "too_large", "the counter would pass 2^53")

    def waiting(self, key: bytes) -> int:
        """Return what was added to `key` and is not visible yet."""
        row = self._keys.find(key)
        ones = self._ones.waiting(row) + self._ones_in_flight.waiting(row)
        return self._pending.get(key, 0) + self._in_flight.get(key, 0) + ones

    def gathered(self, key: bytes) -> int:
        """Return what was added to `key` since the last cut."""
        if self._ones:
            self._fold()
        return self._pending.get(key, 0)

    def withdraw(self, key: bytes, amount: int) -> None:
        """Take back an increment gathered since the last cut."""
        left = self._pending[key] - amount
        self._pending_amount -= amount
        if left:
            self._pending[key] = left
        else:
            del self._pending[key]
            if self._keys.find(key) is None and key not in self._in_flight:
                self._pending_new -= 1
                self._pending_name_bytes -= len(key)

    def cutting(self, column: Column | None) -> Generator[None, None, list[Batch]]:
        """Turn what waits into batches above the own column's head, pausing between slices.

        `column` is that column. What is added meanwhile waits for the next cut. One version per
        block, so that each fits a frame. The batches must be applied, all and in order, or
        abandoned, before the next cut.
        """
        assert not self._in_flight, "the last cut was neither applied nor abandoned"
        assert not self._ones_in_flight, "the last cut was neither applied nor abandoned"
        ones = self._ones.by_place(self._places) if self._ones and column is not None else None
        if ones is None:
            self._fold()
        elif not self._pending:
            assert column is not None
            return [self._cut_ones(column, *ones)]
        self._ones_in_flight, self._ones = self._ones, Ones()
        self._in_flight, self._pending = self._pending, {}
        self._in_flight_new, self._pending_new = self._pending_new, 0
        self._pending_amount = self._pending_name_bytes = 0
        if not self._in_flight:
            return []
        head = column.head if column else 0
        size = column.size if column else 0
        found = yield from self._sorting(column, ones)
        fresh = np.arange(size, size + len(found.names), dtype=np.int64)
        positions = np.concatenate([found.known, fresh])
        counts = np.concatenate([found.counts, found.new])
        batches: list[Batch] = []
        for block in splitting(size, found.names, positions, counts):
            if batches:
                yield
            version = head + len(batches) + 1
            batches.append(Batch(self.own, version - 1, version, (block,)))
        return batches

    def _cut_ones(self, column: Column, positions: Positions, amounts: Counts) -> Batch:
        """Turn what waits into one batch: all of it is ones of keys that the column has."""
        block = make_block(column.size, (), positions, column.counts_at(positions) + amounts)
        self._ones_in_flight, self._ones = self._ones, Ones()
        self._pending_amount = self._pending_name_bytes = 0
        return Batch(self.own, column.head, column.head + 1, (block,))

    def _sorting(
        self, column: Column | None, ones: tuple[Positions, Counts] | None
    ) -> Generator[None, None, Sorted]:
        parts: list[Sorted] = []
        rest = iter(self._in_flight.items())
        while part := dict(islice(rest, _KEYS_PER_SLICE)):
            if parts:
                yield
            parts.append(self._split(part))
        if ones is not None:
            parts.append(Sorted.of_known(*ones))
        found = parts[0] if len(parts) == 1 else join(parts)
        runs: list[tuple[Positions, Counts]] = []
        for run in in_order(found.known):
            if runs:
                yield
            known, counts = found.known[run], found.counts[run]
            if ones is not None:
                known, counts = summed(known, counts)
            runs.append((known, counts if column is None else column.counts_at(known) + counts))
        if len(runs) == 1:
            return attrs.evolve(found, known=runs[0][0], counts=runs[0][1])
        known = np.concatenate([known for known, _ in runs])
        return attrs.evolve(found, known=known, counts=np.concatenate([rises for _, rises in runs]))

    def _split(self, counts: Mapping[bytes, int]) -> Sorted:
        """Split some of what is in flight into what the own column has and what it has not."""
        rows = np.array(self._keys.find_all(counts), np.int64)
        found = np.flatnonzero((rows >= 0) & (rows < len(self._places)))
        places = np.zeros(len(rows), np.int64)
        places[found] = self._places[rows[found]]
        amounts = np.fromiter(counts.values(), np.int64, len(rows))
        known, new = np.flatnonzero(places), np.flatnonzero(places == 0)
        keys = list(counts)
        names = [keys[at] for at in new.tolist()]
        return Sorted(places[known] - 1, amounts[known], names, amounts[new])

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
        self._ones = Ones()
        self._pending = {}
        self._pending_amount = self._pending_new = self._pending_name_bytes = 0

    def settle(self) -> None:
        """Forget what was in flight: it is applied, or certainly refused."""
        self._in_flight = {}
        self._ones_in_flight = Ones()
        self._in_flight_new = 0


def check_keys(keys: Collection[bytes]) -> None:
    """Raise `ClientError` unless each key is one; nearly always all are, so they go together."""
    if not keys or are_keys(keys):
        return
    for key in keys:
        check_key(key)


def check_key(key: bytes) -> None:
    """Raise `ClientError` unless `key` is 1 to 1,024 bytes of UTF-8."""
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise ClientError(400, "bad_key", f"a key is 1 to {KEY_BYTES_MAX} bytes")
    try:
        key.decode()
    except UnicodeDecodeError:
        raise ClientError(400, "bad_key", "a key is UTF-8") from None
