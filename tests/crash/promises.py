"""Promises: what a daemon had said, and whether what a disk gave back keeps it.

Theory. Before a request is sent its amounts are *tried*; what an answer shows is *seen*. At any
point a value lies between the highest one seen and the sum of all tried: not lost, not counted
twice, not from the future. Besides: keys that are only ever counted together are equal (no half
group), a keyed request has its receipt if and only if it was counted, a column at a version has
one content in all images of a recording, totals are the sum of what they are made of, a removed
member stays removed, and a life never writes where another one did.

This module refuses to know how the disk came to be as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import attrs

from gcounterd.ids import ColumnId

# Keys that the driver only counts together, by one each.
TWINS = ("twin-a", "twin-b")
# A key that is only counted by keyed requests, by one each.
KEYED = "keyed"


@attrs.frozen
class Found:
    """What a recovery gave back.

    state     the roster's state of each member, by name
    receipts  hashes of the keys of keyed requests
    columns   a digest of the content of each column, by column and version
    own       the column that the new life would write
    recounted totals are the sum of columns, base and sums
    """

    node: bytes
    values: Mapping[str, int]
    state: Mapping[str, str]
    receipts: frozenset[bytes]
    columns: Mapping[tuple[ColumnId, int], bytes]
    own: ColumnId
    recounted: bool
    incomplete: bool


@attrs.define
class Promises:
    """What one node had promised at a point of a recording."""

    node: str
    tried: dict[str, int] = attrs.field(factory=dict)
    seen: dict[str, int] = attrs.field(factory=dict)
    receipts: dict[bytes, None] = attrs.field(factory=dict)
    removed: dict[str, None] = attrs.field(factory=dict)
    identity: bytes = b""
    caught_up: bool = False
    backups: dict[str, dict[str, int]] = attrs.field(factory=dict)

    def note(self, mark: bytes) -> None:
        """Take a mark in; what other nodes said binds only them."""
        fact = json.loads(mark)
        if fact["what"] == "try":
            for key, amount in fact["counts"].items():
                self.tried[key] = self.tried.get(key, 0) + amount
            return
        if fact["node"] != self.node:
            return
        match fact["what"]:
            case "seen":
                for key, value in fact["values"].items():
                    self.seen[key] = max(value, self.seen.get(key, 0))
            case "receipt":
                self.receipts[_claim(fact["key"])] = None
            case "removed":
                self.removed[fact["name"]] = None
            case "identity":
                self.identity = bytes.fromhex(fact["id"])
            case "caught up":
                self.caught_up = True
            case "backup":
                self.backups[fact["path"]] = fact["values"]

    def broken(self, found: Found) -> list[str]:
        """Return a sentence for each promise that is not kept."""
        told = [
            f"{key} is {found.values.get(key, 0)}, and {value} was answered"
            for key, value in self.seen.items()
            if found.values.get(key, 0) < value
        ]
        told += [
            f"receipt {one.hex()} is lost" for one in self.receipts if one not in found.receipts
        ]
        told += [
            f"{name} is {found.state.get(name)}, and was removed"
            for name in self.removed
            if found.state.get(name) != "removed"
        ]
        if self.identity and found.node != self.identity:
            told.append("the identity is another one")
        if found.incomplete and self.caught_up:
            told.append("it says that something may be missing, and nothing is damaged")
        return told + self.impossible(found)

    def impossible(self, found: Found) -> list[str]:
        """Return a sentence for each thing that no disk at all explains: not even one that lies."""
        told = [
            f"{key} is {value}, and {self.tried.get(key, 0)} was asked for"
            for key, value in found.values.items()
            if value > self.tried.get(key, 0)
        ]
        one, other = (found.values.get(key, 0) for key in TWINS)
        if one != other:
            told.append(f"half a group: {one} and {other}")
        if found.values.get(KEYED, 0) != len(found.receipts):
            told.append(f"{found.values.get(KEYED, 0)} counted, {len(found.receipts)} receipts")
        if not found.recounted:
            told.append("totals are not the sum of columns and base")
        if any(column == found.own for column, _ in found.columns):
            told.append("the new life would write a column that is there")
        return told


def _claim(key: str) -> bytes:
    """Return the hash that a receipt keeps of a key (`api.promises`)."""
    data = key.encode()
    return hashlib.blake2b(len(data).to_bytes(8, "big") + data, digest_size=16).digest()
