"""The canonical form of a host: equal where nothing that follows could differ.

Theory. Two ways that lead a host to the same state must be seen to be the same, or the search
drowns in order. The form is made by walking over the whole object and not by listing what
matters: what somebody adds to the code is part of it from then on, and if it is needless it costs
states, not truth. What is left out, or written in another way, is named here with its reason. (A
left-out part is still there when a state is made again; leaving out too much can only hide
states, never invent one.)
"""

from __future__ import annotations

import hashlib
import marshal
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from gcounterd.counters.batches import Batch, Block
from gcounterd.counters.columns import Column, Segment
from gcounterd.counters.deltas import Gathering
from gcounterd.counters.keys import KeyIndex
from gcounterd.counters.settled import Settled
from gcounterd.counters.writer import Writer
from gcounterd.ids import ColumnId
from gcounterd.members.detector import Detector
from gcounterd.members.roster import Roster
from gcounterd.node.admission import Refusals
from gcounterd.node.asking import Asking
from gcounterd.node.config import Config
from gcounterd.node.dialbacks import DialBacks
from gcounterd.node.dialling import Dialler
from gcounterd.node.forgetting import Forgetting
from gcounterd.node.newcomers import Newcomers
from gcounterd.node.node import Node
from gcounterd.node.peers import Link, Peers
from gcounterd.node.probing import Probing
from gcounterd.node.settling import Settling
from gcounterd.node.telling import Telling
from tests.search.ground import Chooser

# Types of which nothing is written: constant in a life, or about addresses and who answers, which
# no number rests on: in the search links are made by the schedule, and what is believed of a
# member follows from them (`scale`).
NOT_WRITTEN: tuple[type, ...] = (
    *(Config, Refusals, Probing, Detector, Dialler, DialBacks, Newcomers, Asking, Chooser),
)

# Attributes left out, by class. Never by name alone: two classes may call two things by one name,
# and a queue of closings was left out once because a part is called so elsewhere.
LEFT_OUT: dict[type, tuple[str, ...]] = {
    # How the index finds rows; the names in their order are kept.
    KeyIndex: ("_shards",),
    # The same from row to position; the column has it from position to row.
    Writer: ("_places",),
    # `told` and changes are numbers that grow: `_node` says what they come to.
    Link: ("told", "hello"),
    Telling: ("_change", "_changes", "_hash", "_before", "_quiet", "_asked_all_at"),
    Settling: ("_change", "_changes", "_told"),
    # What members show: `_shown` says it where it matters.
    Forgetting: ("_shown",),
    # Sums over the lines.
    Settled: ("_ranges", "_sum", "_forgotten_sum"),
    # How to look up a name.
    Gathering: ("_names_at", "_column"),
    # Indexes over `_links`.
    Peers: ("_on", "_by_peer", "_addresses", "_lacking_bulk"),
}

_PLAIN = (int, str, bytes, float, bool, type(None))


# Times are written as from now; past ones are all the same, as are those further than this. What
# comes of adding and taking away again is no time.
_FAR_S = 40.0
_DIGITS = 6


def fingerprint(*parts: object, now: float = 0.0) -> bytes:
    """Return 16 bytes that are equal where the canonical forms of all parts are."""
    form = canonical(parts, now)
    return hashlib.blake2b(marshal.dumps(form, 2), digest_size=16).digest()


def canonical(thing: object, now: float = 0.0) -> Any:
    """Return the canonical form: plain values in tuples."""
    _WRITERS[float] = lambda at, seen: round(min(max(at - now, 0.0), _FAR_S), _DIGITS)
    return _walk(thing, {})


def _walk(thing: Any, seen: dict[int, int]) -> Any:
    kind = type(thing)
    if kind in _PLAIN_KINDS:
        return thing
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer(thing, seen)
    if isinstance(thing, Enum):
        return thing.name
    if isinstance(thing, _PLAIN):
        return thing
    if callable(thing):
        return getattr(thing, "__qualname__", kind.__name__)
    fields = _fields(thing)
    if not _is_value(kind):
        if id(thing) in seen:
            return (kind.__name__, seen[id(thing)])  # written elsewhere, under this number
        seen[id(thing)] = len(seen)
    form: tuple[Any, ...] = tuple([_walk(getattr(thing, name), seen) for name in fields])
    extra = _EXTRA.get(kind)
    return (kind.__name__, *form, *([extra(thing, seen)] if extra else []))


def _is_value(kind: type) -> bool:
    """Say whether objects of a class never change, so that only what is in them matters."""
    return kind.__setattr__.__name__ == "_frozen_setattrs"


_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(thing: object) -> tuple[str, ...]:
    kind = type(thing)
    if kind not in _FIELDS:
        slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
        names = dict.fromkeys([*slots, *getattr(thing, "__dict__", {})])
        left_out = LEFT_OUT.get(kind, ())
        missing = [name for name in left_out if name not in names]
        assert not missing, f"{kind.__name__} has no {missing} any more: mend LEFT_OUT"
        _FIELDS[kind] = tuple(
            sorted(name for name in names if name not in left_out and not name.startswith("__"))
        )
    return _FIELDS[kind]


def _items(thing: Any, seen: dict[int, int]) -> Any:
    return tuple([_walk(each, seen) for each in thing])


def _map(thing: dict[Any, Any], seen: dict[int, int]) -> Any:
    return tuple([(_walk(key, seen), _walk(value, seen)) for key, value in thing.items()])


def _array(thing: Any, seen: dict[int, int]) -> Any:
    return thing.tobytes()


def _segment(thing: Segment, seen: dict[int, int]) -> Any:
    """Write what is in use; the capacity beyond decides nothing."""
    n = thing.size
    arrays = (thing.rows[:n], thing.counts[:n], thing.stamps[:n])
    others = [
        _walk(getattr(thing, name), seen)
        for name in _fields(thing)
        if name not in ("rows", "counts", "stamps")
    ]
    return (*[array.tobytes() for array in arrays], *others)


def _roster(thing: Roster, seen: dict[int, int]) -> Any:
    """Write the entries and approvals once; hashes and orders follow from them."""
    if id(thing) in seen:
        return ("Roster", seen[id(thing)])
    seen[id(thing)] = len(seen)
    return (*[_walk(entry, seen) for entry in thing], _walk(list(thing.approvals), seen))


def _nothing(thing: object, seen: dict[int, int]) -> Any:
    """Write nothing."""
    return ()


def _batch(thing: Batch, seen: dict[int, int]) -> Any:
    return (thing.column, thing.since, thing.version, *[each.encoded for each in thing.blocks])


def _block(thing: Block, seen: dict[int, int]) -> Any:
    return thing.encoded


def _column_of(thing: Gathering, seen: dict[int, int]) -> Any:
    return thing._column.id


def _changes(thing: Telling | Settling, seen: dict[int, int]) -> Any:
    """Write the order in which columns would be told."""
    return tuple(thing._changes)


def _shown(thing: Forgetting, seen: dict[int, int]) -> Any:
    """Write what members show where there is something that could be forgotten."""
    settled = thing._counters.settled
    lines = [settled.get(column) for column in settled]
    if any(line is not None and line.final and not line.forgotten for line in lines):
        return _walk(thing._shown, seen)
    return ()


def _node(thing: Node, seen: dict[int, int]) -> Any:
    """Write what each link has not been told yet."""
    settling = thing.settlement.settling
    heads, lines = thing.exchange.telling._changes, settling._changes
    links = []
    for link in thing.peers.all():
        at = link.told
        due = None if at is None else _after(at, heads)
        hello = (link.hello.node, link.hello.epoch, link.hello.joining)
        links.append((link.id, *hello, due, _after(settling._told.get(link.id, 0), lines)))
    return tuple(links)


def _after(told: int, changes: dict[ColumnId, int]) -> tuple[ColumnId, ...]:
    return tuple([column for column, change in changes.items() if change > told])


_PLAIN_KINDS = dict.fromkeys((int, str, bytes, bool, type(None)))
_Writer = Callable[[Any, dict[int, int]], Any]
_WRITERS: dict[type, _Writer] = {
    tuple: _items,
    list: _items,
    deque: _items,
    set: lambda thing, seen: tuple(sorted(thing)),
    frozenset: lambda thing, seen: tuple(sorted(thing)),
    dict: _map,
    np.ndarray: _array,
    Segment: _segment,
    Roster: _roster,
    Batch: _batch,
    Block: _block,
    **dict.fromkeys(NOT_WRITTEN, _nothing),
}
_EXTRA: dict[type, _Writer] = {
    Gathering: _column_of,
    Telling: _changes,
    Settling: _changes,
    Forgetting: _shown,
    Node: _node,
}
assert Column not in _WRITERS
