"""Importing at one node: what is refused, what is taken, and what a failed commit leaves."""

from __future__ import annotations

from random import Random

import pytest
from nodes import commit, node

from gcounterd.counters.base import SparseSums
from gcounterd.counters.batches import COUNT_MAX
from gcounterd.counters.imports import Content, Import, start_source
from gcounterd.counters.settled import Line
from gcounterd.errors import ClientError
from gcounterd.ids import node_of
from gcounterd.node.importing import Known
from gcounterd.node.node import Node
from gcounterd.node.records import TakeBatch, TakeClosings
from gcounterd.node.settled_messages import Settled
from tests.finishing import result_of


def made(source: str = "old", **counts: int) -> Import:
    content = Content()
    for key, count in counts.items():
        content.add(key.encode(), count)
    return result_of(content.arranged(source, Random(1)))


def bring(of: Node, given: Import, *, again: bool = False) -> bool:
    """Import, up to the commit; return whether it is new."""
    for _ in of.importing.check(given, again=again):
        pass
    return of.importing.take(given)


def known(of: Node) -> list[Known]:
    return result_of(of.importing.known("", 100))


def alone() -> Node:
    return node("a", "a")


def test_an_import_is_one_commit_that_holds_its_content_and_its_end() -> None:
    a, given = alone(), made(apples=3, pears=4)
    assert bring(a, given)
    group = a.cut()
    assert group is not None
    batch, closings = group.records
    assert isinstance(batch, TakeBatch)
    assert isinstance(closings, TakeClosings)
    assert group.facts
    for _ in a.applying(group):
        pass
    a.committed(group, 0.0)
    assert a.counters.value(b"apples") == 3
    assert a.counters.settled.get(given.column) == Line(1, 1, 2, source="old")
    assert a.counters.heads() == {}
    assert (a.counters.recount() == a.counters.totals).all()


def test_repeating_an_import_changes_nothing() -> None:
    a = alone()
    assert bring(a, made(apples=3))
    commit(a)
    assert not bring(a, made(apples=3))
    assert not a.has_work
    assert a.counters.value(b"apples") == 3


def test_a_known_source_with_other_content_is_refused_unless_it_is_meant() -> None:
    a = alone()
    bring(a, made(apples=3))
    commit(a)
    with pytest.raises(ClientError) as refused:
        bring(a, made(apples=4))
    assert (refused.value.status, refused.value.code) == (409, "source_known")
    assert refused.value.definite
    assert not a.has_work
    assert bring(a, made(apples=4), again=True)
    commit(a)
    assert a.counters.value(b"apples") == 7
    # And the first one is still known to be there.
    assert not bring(a, made(apples=3), again=True)


def test_a_source_that_only_a_peer_holds_is_known() -> None:
    a, theirs = node("a", "a", "b"), made(apples=3)
    a.settlement.settling.learn({theirs.column: Line(1, 1, source="old")})
    commit(a)
    with pytest.raises(ClientError):
        bring(a, made(apples=4))
    # The same content is taken, and need not be fetched.
    assert bring(a, theirs)
    commit(a)
    assert a.counters.value(b"apples") == 3
    assert a.counters.settled.get(theirs.column) == Line(1, 1, 1, source="old")


def test_a_counter_that_would_pass_its_end_is_refused_and_nothing_counts() -> None:
    a = alone()
    bring(a, made(apples=COUNT_MAX - 1, pears=1))
    commit(a)
    a.add(b"apples", 1)
    with pytest.raises(ClientError) as refused:
        bring(a, made("new", pears=5, apples=1))  # what waits counts as well
    assert (refused.value.code, refused.value.definite) == ("too_large", True)
    assert bring(a, made("newer", pears=5))
    commit(a)
    assert a.counters.value(b"pears") == 6


def test_counters_beyond_the_limit_are_refused() -> None:
    a = alone()
    bring(a, made(**{f"key{number}": 1 for number in range(999)}))
    commit(a)
    bring(a, made("new", key1=5, last=1))
    commit(a)
    with pytest.raises(ClientError) as refused:
        bring(a, made("more", key1=5, beyond=1))
    assert (refused.value.status, refused.value.code) == (507, "too_many_counters")


def test_a_node_that_cannot_count_cannot_import() -> None:
    newcomer = node("a", seeds=("b:1",))
    with pytest.raises(ClientError) as refused:
        bring(newcomer, made(apples=1))
    assert refused.value.code == "not_active"


def test_of_an_import_that_the_disk_refused_nothing_is_left() -> None:
    a, given = alone(), made(apples=3)
    bring(a, given)
    group = a.cut()
    assert group is not None
    a.abandoned(group)
    assert not a.has_work
    assert a.cut() is None
    assert not a.importing.is_known(given.column)
    assert bring(a, given)
    commit(a)
    assert a.counters.value(b"apples") == 3


def test_counts_are_shown_by_source() -> None:
    a, given = alone(), made(apples=3)
    bring(a, given)
    start = made(start_source(b"apples"), apples=10)
    bring(a, start)
    commit(a)
    assert a.importing.shown_as(node_of(given.column)) == "import:old"
    assert a.importing.shown_as(node_of(start.column)) == "start-at"
    assert a.importing.shown_as(a.config.node) == "a"
    row = a.counters.keys.find(b"apples")
    assert row is not None
    shares = [each for each in a.counters.share_of_row(row) if each is not None]
    assert dict(shares) == {node_of(given.column): 3, node_of(start.column): 10}


def test_sources_are_listed_in_order_with_what_they_hold() -> None:
    a, given = alone(), made(apples=3, pears=2**40)
    bring(a, given)
    bring(a, made("a new one", apples=1))
    other = made("told of", apples=1)
    a.settlement.settling.learn({other.column: Line(1, 1, source="told of")})
    commit(a)
    first, old, told = known(a)
    assert (first.source, first.keys, first.total) == ("a new one", 1, 1)
    assert old.contents == ((given.column.hex(), True),)
    assert (old.shown_as, old.keys, old.total) == ("import:old", 2, 3 + 2**40)
    assert (told.contents, told.total) == (((other.column.hex(), False),), 0)
    assert a.counters.settled.sources.page("a new one", 1) == ["old"]


def test_many_sources_do_not_take_an_array_each() -> None:
    a = alone()
    given = made(apples=3, pears=4)
    bring(a, given)
    commit(a)
    assert isinstance(a.counters.base.of(node_of(given.column)), SparseSums)


def test_an_import_is_told_with_its_name_and_once() -> None:
    a, given = alone(), made(apples=3)
    bring(a, given)
    group = a.cut()
    assert group is not None
    for _ in a.applying(group):
        pass
    a.committed(group, 0.0)
    (page,) = a.settlement.settling.tell([], [given.column])
    assert isinstance(page.message, Settled)  # type: ignore[union-attr]
    assert page.message.lines == {given.column: Line(1, 1, 1, source="old")}  # type: ignore[union-attr]
    assert not a.settlement.closings._decided
