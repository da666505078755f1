"""Recovery: from images and journal rows back to counters, roster and receipts.

Theory. Images are at least as new as the journal rows trimmed; the rows left are replayed over them
in order. Writing only raises counts, so rows that an image already covers change nothing. Closed
columns are let go of as soon as they were counted, and the few that a row raises are read again: a
disk may hold more of them than there is memory. A batch that does not continue its column (`since`
above its head) can only mean that something before it is missing: it is left out, the column stays
at the head that it can prove, and peers send the rest again. That is reported, never passed over.

This module is pure: the simulator recovers its crashed nodes with it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from gcounterd.counters.counters import Counters, check_batch
from gcounterd.counters.images import Image, Kind
from gcounterd.counters.loading import load
from gcounterd.errors import PeerError, StorageError
from gcounterd.ids import ColumnId
from gcounterd.members.roster import Roster
from gcounterd.node.receipts import Chunk, Receipts
from gcounterd.node.records import (
    TakeApprovals,
    TakeBatch,
    TakeClosings,
    TakeEntries,
    TakeReceipts,
)
from gcounterd.storage.records import decode_group, decode_receipts, encode_receipts
from gcounterd.wire.approvals import decode_approvals, encode_approvals
from gcounterd.wire.entries import decode_entries, encode_entries

# What has expired by now is for the node to say, which has a clock: nothing is old in 1970.
_NO_CLOCK = 0


@attrs.define(eq=False)
class Restored:
    """What came back.

    gaps           columns with batches that do not continue them, and how many were left out
    groups         journal rows replayed
    names_on_disk  names of the key index that lie in images
    last_seq       number of the newest row, 0 without one
    """

    counters: Counters
    roster: Roster
    receipts: Receipts = attrs.Factory(Receipts)
    gaps: dict[ColumnId, int] = attrs.Factory(dict)
    groups: int = 0
    names_on_disk: int = 0
    last_seq: int = 0


# Reads the images of a column's segments again: of which column, and how many positions.
Reader = Callable[[ColumnId, int], list[Image]]


def restore(
    own: ColumnId,
    max_counters: int,
    images: Iterable[Image],
    groups: Iterable[tuple[int, bytes]],
    reader: Reader | None = None,
) -> Restored:
    """Rebuild state for a process that will write column `own`.

    `images` come sorted by kind, column and number, `groups` as (seq, body) by seq. Without a
    `reader` all closed columns are kept in memory until the end. Raises `StorageError` where what
    was read contradicts itself.
    """
    restored = Restored(Counters(own, max_counters), Roster())
    chunks: list[Chunk] = []
    load(restored.counters, _of_counters(images, restored, chunks), cool=reader is not None)
    restored.receipts.load(chunks)
    restored.names_on_disk = len(restored.counters.keys)
    for seq, body in groups:
        _replay(restored, seq, body, reader)
    for column in restored.counters.warm_columns():
        if restored.counters.may_chill(column):
            restored.counters.chill(column)
    return restored


def _of_counters(
    images: Iterable[Image], restored: Restored, chunks: list[Chunk]
) -> Iterator[Image]:
    """Yield the images of counters; take in those of the roster, and gather those of receipts."""
    for image in images:
        try:
            match image.kind:
                case Kind.ROSTER:
                    restored.roster.merge(decode_entries(image.body))
                case Kind.APPROVALS:
                    restored.roster.approvals.merge(decode_approvals(image.body), _NO_CLOCK)
                case Kind.RECEIPTS:
                    chunks.append(decode_receipts(image.body))
                case _:
                    yield image
        except (PeerError, ValueError) as error:
            raise StorageError(f"the image of the {image.kind} cannot be read: {error}") from None


def _warm(counters: Counters, column: ColumnId, reader: Reader | None) -> None:
    """Have a closed column in memory that a row raises."""
    if reader is not None and counters.is_cold(column):
        counters.warm(counters.read_cold(column, reader(column, counters.size(column))))


def _replay(restored: Restored, seq: int, body: bytes, reader: Reader | None) -> None:
    counters = restored.counters
    for record in decode_group(body):
        match record:
            case TakeEntries(entries):
                restored.roster.merge(entries)
            case TakeApprovals(approvals):
                restored.roster.approvals.merge(approvals, _NO_CLOCK)
            case TakeReceipts(receipts):
                restored.receipts.take(receipts)
            case TakeClosings(closings):
                for _ in counters.closing(closings):
                    pass
            case TakeBatch(batch) if counters.is_forgotten(batch.column):
                pass  # it is part of a sum by now, or was set aside
            case TakeBatch(batch) if batch.since > counters.head(batch.column):
                restored.gaps[batch.column] = restored.gaps.get(batch.column, 0) + 1
            case TakeBatch(batch):
                try:
                    check_batch(batch, counters.size(batch.column))
                except PeerError as error:
                    raise StorageError(f"journal row {seq} does not fit: {error}") from None
                if batch.version > counters.head(batch.column):
                    _warm(counters, batch.column, reader)
                counters.apply(batch)
    restored.groups += 1
    restored.last_seq = seq


def roster_images(roster: Roster) -> tuple[Image, Image]:
    """Encode all roster entries, and all approvals, as their images."""
    return (
        Image(Kind.ROSTER, b"", 0, encode_entries(roster)),
        Image(Kind.APPROVALS, b"", 0, encode_approvals(roster.approvals)),
    )


def receipt_image(chunk: Chunk) -> Image:
    """Encode some receipts as an image."""
    return Image(Kind.RECEIPTS, b"", chunk.place, encode_receipts(chunk))
