"""What the scenarios of imports have in common: counts as columns, to be brought to nodes."""

from __future__ import annotations

from random import Random

from gcounterd.counters.imports import Import
from gcounterd.sim.bringing import bring, make_import

__all__ = ["bring", "made"]


def made(source: str, counts: dict[bytes, int]) -> Import:
    return make_import(source, counts, Random(1))
