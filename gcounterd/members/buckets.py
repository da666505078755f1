"""Buckets: the roster's hash, in parts, so that a difference can be found without telling all.

Theory. Node ids fall into 64 buckets by their first bits; ids are random, so buckets are of about
one size. A bucket's hash is over the prints of its entries in the order of their ids, the hash of
all is over the hashes of the buckets. Two rosters are equal where the latter is (16 bytes), and
where it differs the 64 hashes (512 bytes) say in which buckets: one changed entry among a
thousand costs the sixteen of its bucket. A changed entry makes one bucket stale, which is hashed
again when somebody asks.

This module refuses to know what an entry says.
"""

from __future__ import annotations

import hashlib

from gcounterd.ids import NodeId

BUCKETS = 64
BUCKET_HASH_BYTES = 8
HASH_BYTES = 16
# A set of buckets is an integer with a bit for each; these are all of them.
ALL_BUCKETS = 2**BUCKETS - 1
_NODE_SHIFT = 2  # 8 bits of the first byte less 6 that number a bucket


def bucket_of(node: NodeId) -> int:
    """Return the number of the bucket that a node falls into."""
    return node[0] >> _NODE_SHIFT


def differing(mine: bytes, theirs: bytes) -> int:
    """Return the set of buckets whose hashes differ between two lists of them."""
    found = 0
    for number in range(BUCKETS):
        at = number * BUCKET_HASH_BYTES
        if mine[at : at + BUCKET_HASH_BYTES] != theirs[at : at + BUCKET_HASH_BYTES]:
            found |= 1 << number
    return found


class Buckets:
    """Prints of entries by bucket, and the hashes over them."""

    def __init__(self) -> None:
        self._prints: list[dict[NodeId, bytes]] = [{} for _ in range(BUCKETS)]
        self._hashes = [_hash(b"", BUCKET_HASH_BYTES)] * BUCKETS
        self._stale: dict[int, None] = {}
        self._all: bytes | None = None

    def put(self, node: NodeId, entry_print: bytes) -> None:
        """Note what the entry of `node` now is."""
        number = bucket_of(node)
        self._prints[number][node] = entry_print
        self._stale[number] = None
        self._all = None

    def hashes(self) -> bytes:
        """Return the hashes of all buckets, one after the other."""
        for number in self._stale:
            prints = self._prints[number]
            joined = b"".join([prints[node] for node in sorted(prints)])
            self._hashes[number] = _hash(joined, BUCKET_HASH_BYTES)
        self._stale.clear()
        return b"".join(self._hashes)

    def hash(self) -> bytes:
        """Return 16 bytes that are equal where all entries are."""
        if self._all is None:
            self._all = _hash(self.hashes(), HASH_BYTES)
        return self._all

    def nodes(self, buckets: int) -> list[NodeId]:
        """Return the nodes of a set of buckets, in order."""
        return [
            node
            for number in range(BUCKETS)
            if buckets >> number & 1
            for node in sorted(self._prints[number])
        ]


def _hash(data: bytes, size: int) -> bytes:
    return hashlib.blake2b(data, digest_size=size).digest()
