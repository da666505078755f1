"""The scale: limits of the code under test, made small, and what is believed of members.

Theory. A delta goes in several parts when it passes 1 MiB, and whoever wants to see a torn one
needs a million counters, or another limit. Limits are constants at the top of their modules, so
the search sets them to one entry, one part, one record: the code is the same, and two keys reach
all of it.

Who answers is found out over control links and takes time, which hardly passes here. So a member
is believed to live where a bulk link leads to it, and to be dead where none does: schedules make
and cut links, and so also make wrong beliefs. Nobody is probed: whom nobody answers for on a
control link would be found dead sooner or later, and the bulk link dropped that says the contrary.
Nothing else of the code under test is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.claims import Liveness
from gcounterd.members.detector import Detector
from gcounterd.members.table import MemberView
from gcounterd.node.effects import Effect
from gcounterd.node.messages import Channel
from gcounterd.node.probing import Probing

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
    # Time stands still: what is pushed goes at once, and every patience is over when a node
    # wakes.
    ("gcounterd.node.pushes", "PUSH_EVERY_S", 0),
    ("gcounterd.node.closings", "REDRAW_AGAIN_S", 0),
    ("gcounterd.node.warming", "UNUSED_S", 0),
    ("gcounterd.node.warming", "LOOK_EVERY_S", 0),
    ("gcounterd.node.serving", "KEPT_S", 0),
    ("gcounterd.node.forgetting", "LOOK_S", 0),
    ("gcounterd.node.forgetting", "ASK_AGAIN_S", 0),
    ("gcounterd.node.saving", "ASK_EVERY_S", 0),
    ("gcounterd.node.saving", "LOOK_EVERY_S", 0),
    ("gcounterd.node.saving", "LEVEL_EVERY_S", 0),
    ("gcounterd.node.leaving", "LOOK_EVERY_S", 0),
    ("gcounterd.node.returning", "LOOK_EVERY_S", 0),
    ("gcounterd.node.returning", "DIAL_EVERY_S", 0),
    ("gcounterd.node.handing_over", "ASK_AGAIN_S", 0),
)


def _is_linked(self: Probing, node: NodeId) -> bool:
    return self._peers.to(node, Channel.BULK) is not None


def _probe_nobody(self: Probing, now: float) -> list[Effect]:
    return []


def _lives(self: Detector, node: NodeId) -> bool:
    return node == self.me.node or self._linked(node)


def _liveness(self: Detector, node: NodeId) -> Liveness:
    return Liveness.ALIVE if self.lives(node) else Liveness.DEAD


def _view(self: Detector, node: NodeId) -> MemberView | None:
    view = self._beliefs.view(node)
    return None if view is None else attrs.evolve(view, liveness=self.liveness(node))


_BELIEFS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (Probing, "_is_linked", _is_linked),
    (Probing, "wake", _probe_nobody),
    (Detector, "lives", _lives),
    (Detector, "liveness", _liveness),
    (Detector, "view", _view),
)


@contextmanager
def small() -> Iterator[None]:
    """Set limits and beliefs, and set them back."""
    changes = [(import_module(module), name, value) for module, name, value in SMALL]
    before = []
    for where, name, value in (*changes, *_BELIEFS):
        before.append((where, name, getattr(where, name)))
        setattr(where, name, value)
    try:
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)
