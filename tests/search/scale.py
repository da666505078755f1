"""The scale: limits of the code under test, made small.

Theory. A delta goes in several parts when it passes 1 MiB, and whoever wants to see a torn one
needs a million counters, or another limit. Limits are constants at the top of their modules, so
the search sets them to one entry, one part, one record: the code is the same, and two keys reach
all of it. Nothing else of the code under test is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

# module, name, value: why
SMALL: tuple[tuple[str, str, int], ...] = (
    # One dict of names instead of 256: a node is made ten times as fast, and two keys need no
    # more.
    ("gcounterd.counters.keys", "_SHARDS", 1),
    ("gcounterd.counters.keys", "_MASK", 0),
    # A part of a delta holds one counter, and a last round one: two changed counters make a
    # gathering of two rounds, with room for commits, crashes and other gatherings between its
    # parts.
    ("gcounterd.counters.deltas", "_PART_ENTRIES", 1),
    ("gcounterd.counters.deltas", "LAST_PART_BYTES_MAX", 26),
    # One part is served for a want, so each is asked for by itself.
    ("gcounterd.node.exchange", "PARTS_PER_WANT", 1),
    ("gcounterd.node.serving", "PARTS_PER_WANT", 1),
    # One line of a settled column in a page: two make a walk.
    ("gcounterd.node.settling", "LINES_MAX", 1),
    # Time stands still: what is pushed goes at once, and every patience is over when a node wakes.
    ("gcounterd.node.pushes", "PUSH_EVERY_S", 0),
    ("gcounterd.node.closings", "REDRAW_AGAIN_S", 0),
    ("gcounterd.node.warming", "UNUSED_S", 0),
    ("gcounterd.node.warming", "LOOK_EVERY_S", 0),
    ("gcounterd.node.serving", "KEPT_S", 0),
)


@contextmanager
def small() -> Iterator[None]:
    """Set the limits, and set them back."""
    before = []
    for module, name, value in SMALL:
        where = import_module(module)
        before.append((where, name, getattr(where, name)))
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
