"""What nodes say to each other, by type of message: a tap on the fronts of a local cluster.

Theory. Bytes on the wire are the sum of probes, rosters, digests and counts. Only what carries
counts is what closing must not send again, so frames are told apart by their type, the second
element's place in their body; nothing else is decoded.

This module refuses to know who sent what.
"""

from __future__ import annotations

from collections import Counter

from gcounterd.wire.frames import LENGTH_BYTES

# Types of `wire.codec`, and those that carry counts: Push, Part, and the columns of a residue.
DIGEST, PUSH, PART = 6, 8, 10
RESIDUE = range(30, 36)


class Passing:
    """Sums the bytes of whole frames by type, and keeps the longest. A tap for a `Plan`."""

    def __init__(self) -> None:
        self.bytes: Counter[int] = Counter()
        self.longest: Counter[int] = Counter()
        self._rests: dict[object, bytearray] = {}

    def __call__(self, source: object, chunk: bytes) -> None:
        """Take in what passes from a stream."""
        rest = self._rests.setdefault(source, bytearray())
        rest += chunk
        at = 0
        while len(rest) >= at + LENGTH_BYTES + 2:
            size = int.from_bytes(rest[at : at + LENGTH_BYTES], "big")
            if len(rest) < at + LENGTH_BYTES + size:
                break
            # A body is an array of at most 15 elements, one byte, and its type a small number.
            kind = rest[at + LENGTH_BYTES + 1]
            self.bytes[kind] += LENGTH_BYTES + size
            self.longest[kind] = max(self.longest[kind], LENGTH_BYTES + size)
            at += LENGTH_BYTES + size
        del rest[:at]

    def counts(self) -> int:
        """Return the bytes of all that carried counts so far."""
        return sum(n for kind, n in self.bytes.items() if kind in (PUSH, PART, *RESIDUE))
