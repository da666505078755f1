"""What `add` gathers: increments that wait to be sent together.

Theory. A thousand increments in one request cost a node little more than one: one commit, one
fsync, one answer. So they are gathered by key, and sent when there are many or the oldest has
waited long enough. A batch keeps to the node's limits for a request; what does not fit waits for
the next one.

Batches may end differently, and nobody waits for them one by one. Their failures are added up, and
told once, by kind: what may have been counted, and what certainly was not.

This module refuses to know how batches are sent, and the clock: `now` is told.
"""

from __future__ import annotations

import json
from collections import Counter

from gcounterd.client.errors import CounterError, DefiniteError, IndefiniteError
from gcounterd.client.limits import (
    AMOUNT_MAX,
    BATCH_BYTES_MAX,
    BATCH_KEYS_MAX,
    GATHERED_KEYS_MAX,
)
from gcounterd.client.requests import check_amount, check_key

# Quotes, colon, comma and ten digits beside each key.
_ENTRY_BYTES = 14


class Gathering:
    """Increments by key that wait, and the failures of those that were sent.

    size   so many increments or keys make a batch due at once
    age_s  so long after its first increment a batch is due in any case
    """

    def __init__(self, size: int, age_s: float) -> None:
        if not 1 <= size <= BATCH_KEYS_MAX or not age_s >= 0:
            raise ValueError(
                f"a batch has 1 to {BATCH_KEYS_MAX:,} increments and an age of 0 or more"
            )
        self._size = size
        self._age_s = age_s
        self._counts: dict[str, int] = {}
        self._increments = 0
        self._due_at: float | None = None
        # Increments taken in and taken out so far: what was added before a moment is out when the
        # second has reached what the first was then.
        self.taken = 0
        self.cut_off = 0
        self._unknown: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._why: CounterError | None = None

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: str, amount: int, now: float) -> None:
        """Gather an increment. Raises `ValueError` or `DefiniteError` `full`, keeping nothing."""
        check_key(key)
        check_amount(amount)
        if key not in self._counts and len(self._counts) == GATHERED_KEYS_MAX:
            message = f"{GATHERED_KEYS_MAX:,} keys wait to be sent already"
            raise DefiniteError("full", message, counts={key: amount})
        if len(self._unknown) + len(self._refused) >= GATHERED_KEYS_MAX:
            message = "too many failures that nobody has asked for: flush() tells them"
            raise DefiniteError("full", message, counts={key: amount})
        self._counts[key] = self._counts.get(key, 0) + amount
        self._increments += 1
        self.taken += 1
        if self._due_at is None:
            self._due_at = now + self._age_s
        if self._increments >= self._size:
            self._due_at = now

    def hurry(self, now: float) -> None:
        """Make what waits due at once."""
        if self._counts:
            self._due_at = now

    def wait(self, now: float) -> float | None:
        """Return the seconds until a batch is due, 0 if one is, None if nothing waits."""
        return None if self._due_at is None else max(self._due_at - now, 0.0)

    def cut(self, now: float) -> dict[str, int]:
        """Take a batch out, as much as one request may hold; what is left is due at once."""
        batch: dict[str, int] = {}
        size = 0
        for key in list(self._counts):
            size += len(json.dumps(key, ensure_ascii=False).encode()) + _ENTRY_BYTES
            if batch and (size > BATCH_BYTES_MAX or len(batch) == BATCH_KEYS_MAX):
                break
            batch[key] = min(self._counts[key], AMOUNT_MAX)
            self._counts[key] -= batch[key]
            if not self._counts[key]:
                del self._counts[key]
        self._due_at = now if self._counts else None
        if not self._counts:
            self._increments = 0
            self.cut_off = self.taken
        return batch

    def failed(self, error: CounterError) -> None:
        """Add up the failure of a batch."""
        if isinstance(error, IndefiniteError):
            self._unknown.update(error.counts)
        elif isinstance(error, DefiniteError):
            self._refused.update(error.counts)
        # An indefinite failure is what has to be looked into, so it is the one that is told.
        if self._why is None or isinstance(error, IndefiniteError):
            self._why = error

    def take_failure(self) -> CounterError | None:
        """Return the failures since the last time as one error, None if there are none."""
        why, self._why = self._why, None
        unknown, self._unknown = self._unknown, Counter()
        refused, self._refused = self._refused, Counter()
        if why is None:
            return None
        if unknown:
            return IndefiniteError(
                why.code, why.message, node=why.node, counts=unknown, refused=refused
            )
        return DefiniteError(why.code, why.message, node=why.node, counts=refused)
