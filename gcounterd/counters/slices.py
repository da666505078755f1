"""Slices: work that pauses, for whoever wants it done in one go.

Theory. What may take long is a generator that yields between slices of bounded work, and returns
what came of it. The daemon lets others run at each pause (`daemon.slicing`); where nobody else
waits, as in a simulation or for little work, there is no need to.

This module refuses to know what the work is.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def finish(work: Generator[None, None, T]) -> T:
    """Run a generator to its end; return what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
