"""Images: the pieces in which counters lie on disk between journal rows.

A checkpoint writes images of what changed, one at a time with commits in between; a start reads
them all and replays the journal over them. Replaying is idempotent because counts only rise: an
image may be newer than the journal rows replayed over it, never older than those trimmed.

This module only defines the value; `storage` keeps it under (`kind`, `column`, `number`) with a
checksum, and never looks inside `body`.
"""

from __future__ import annotations

import enum

import attrs


class Kind(enum.StrEnum):
    """What an image shows."""

    NAMES = "names"  # one segment of the key index; column is b""
    SEGMENT = "segment"  # one segment of one column
    COLUMN = "column"  # head, size and state of one column; number is 0
    RESIDUE = "residue"  # of which columns a node's residue is the sum; number is 0
    ROSTER = "roster"  # all roster entries; column is b"", number is 0
    APPROVALS = "approvals"  # all approvals of newcomers, likewise
    RECEIPTS = "receipts"  # some receipts of keyed requests; number is a place in their ring


@attrs.frozen
class Image:
    """One keyed blob. (`kind`, `column`, `number`) is its key; a later image replaces it."""

    kind: Kind
    column: bytes
    number: int
    body: bytes
