"""Helpers for tests of counters: ids, and a writer whose increments are applied at once."""

from __future__ import annotations

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters
from gcounterd.ids import ColumnId, Epoch, NodeId, column_id


def column(letter: str) -> ColumnId:
    """Return the column of node `letter` in its first life."""
    return column_id(NodeId(letter.encode() * 16), Epoch(b"\1" * 16))


def counters(letter: str = "a", max_counters: int = 200_000) -> Counters:
    """Return empty counters that write the column of node `letter`."""
    return Counters(column(letter), max_counters)


def count(held: Counters, amounts: dict[bytes, int]) -> list[Batch]:
    """Add amounts, commit them, and return the batches."""
    for key, amount in amounts.items():
        held.add(key, amount)
    batches = held.cut()
    for batch in batches:
        held.apply(batch)
    held.writer.settle()
    return batches


def contents(held: Counters, of: ColumnId) -> dict[bytes, int]:
    """Return key → count of one column."""
    found = {}
    for segment in held.columns[of].segments if of in held.columns else []:
        for row, amount in zip(
            segment.rows[: segment.size].tolist(),
            segment.counts[: segment.size].tolist(),
            strict=True,
        ):
            found[held.keys.names[row]] = amount
    return found
