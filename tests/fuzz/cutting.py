"""Cutting a stream into chunks, decided by its own bytes, so that a find repeats itself."""

from __future__ import annotations

import itertools
import zlib
from random import Random

CUTS_MAX = 12


def cut(data: bytes) -> list[bytes]:
    """Return the bytes in some chunks."""
    rng = Random(zlib.crc32(data))
    places = [rng.randrange(len(data) + 1) for _ in range(rng.randrange(CUTS_MAX))]
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]
