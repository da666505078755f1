"""Running work that pauses to its end, for tests that have nothing else to do meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def result_of(steps: Generator[None, None, T]) -> T:
    """Run a generator to its end and return its result."""
    found: list[T] = []

    def run() -> Generator[None, None, None]:
        found.append((yield from steps))

    for _ in run():
        pass
    return found[0]
