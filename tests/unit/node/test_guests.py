"""Guests: what a host does on the link of a process that goes, and what the guest answers."""

from __future__ import annotations

import pytest
from nodes import commit, entry, hello, node, node_id, sent
from twin_hellos import BULK, CONTROL, life_of

from gcounterd.counters.batches import Batch
from gcounterd.counters.counters import Counters
from gcounterd.counters.residues import residue_id
from gcounterd.counters.settled import Closing, Line
from gcounterd.ids import ColumnId, Epoch, column_id
from gcounterd.members.roster import State
from gcounterd.node.effects import Carry, Effect, Keep, Notice
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Digest, Part, Push, Refusal, Refused, Want
from gcounterd.node.node import Node
from gcounterd.node.removal_messages import HandOver, Held
from gcounterd.node.settled_messages import AskLines, Lines, Settled

GUEST = 3


def column(life: int) -> ColumnId:
    """Return the column of a life of node x, which is gone."""
    return column_id(node_id("x"), Epoch(bytes([life]) * 16))


@pytest.fixture
def b() -> Node:
    """A member, the host of a, which was removed and is back on link 3."""
    made = node("b", "a", "b")
    removed = entry("a", state=State.REMOVED)
    made.intake.take_entries((removed,))
    commit(made)
    assert made.opened(GUEST, life_of("a", 5, BULK, returning=True), None, 0.0) == []
    return made


def content(of: ColumnId, version: int, count: int) -> Batch:
    """Return the whole content of a column: one counter."""
    counters = Counters(of, 100)
    counters.add(b"x", count)
    (batch,) = counters.cut()
    return Batch(of, 0, version, batch.blocks)


def give(at: Node, batch: Batch) -> list[Effect]:
    """Let the guest send a column that was asked for."""
    (block,) = batch.blocks
    part = Part(batch.column, b"gathered", 0, 0, batch.version, block)
    return at.received(GUEST, part, 1.0)


def answer(at: Node, heads: dict[ColumnId, int]) -> Held:
    (held,) = [
        m for m in sent(at.received(GUEST, HandOver(1, heads), 2.0), GUEST) if type(m) is Held
    ]
    return held


def wants(effects: list[Effect]) -> list[ColumnId]:
    return [m.column for m in sent(effects, GUEST) if isinstance(m, Want)]


def test_a_host_learns_what_is_final_from_its_guest(b: Node) -> None:
    lines = {column(1): Line(4, 4)}
    b.received(GUEST, Settled(b"", b"", lines, asks=False), 1.0)
    commit(b)
    line = b.counters.settled.get(column(1))
    assert line is not None
    assert (line.version, line.final) == (0, 4)


def test_a_guest_is_no_peer_that_a_join_waits_for() -> None:
    joining = node("b", "a", "b", seeds=("a:1",))
    joining.opened(GUEST, life_of("a", 5, BULK, returning=True), None, 0.0)
    joining.received(GUEST, Settled(b"", b"", {column(1): Line(4, 4)}, asks=False), 1.0)
    assert column(1) not in joining.joining.behind()


def test_a_guest_says_that_what_is_wanted_is_forgotten_and_tells_its_lines() -> None:
    guest = node("a", "a", "b")
    guest.counters.settled.put(column(1), Line(4, 4, forgotten=True))
    twin = Refusal(Refused.TWIN, "another process", "a:9", Epoch(b"\x09" * 16))
    guest.dialler.start("b:1", 0.0)
    guest.dial_failed("b:1", CONTROL, Grade.REJECTED, twin, 0.0)
    guest.opened(1, hello("b", BULK), "b:1", 0.0)
    told = sent(guest.received(1, Want(column(1), 0, 0, b"", 0), 1.0), 1)
    assert Settled(b"", b"", {column(1): Line(4, 4, forgotten=True)}, asks=False) in told
    (lines,) = sent(guest.received(1, AskLines(node_id("x")), 1.1), 1)
    assert isinstance(lines, Lines)
    assert lines.reply
    assert lines.lines == {column(1): Line(4, 4, forgotten=True)}


def tell_sum(at: Node, *lives: int, version: int = 1) -> list[Effect]:
    """Let the guest tell that it has forgotten these lives of x; return what follows."""
    lines = {column(life): Line(version, 0, forgotten=True) for life in lives}
    asked = at.received(GUEST, Settled(b"", b"", lines, asks=False), 1.0)
    assert AskLines(node_id("x")) in sent(asked, GUEST)
    return at.received(GUEST, Lines(node_id("x"), 0, last=True, reply=True, lines=lines), 1.1)


def test_a_host_takes_a_sum_that_it_lacks(b: Node) -> None:
    effects = tell_sum(b, 1, 2)
    sum_ = residue_id(node_id("x"), {column(1): 1, column(2): 1})
    assert wants(effects) == [sum_]
    (carry,) = [e for e in give(b, content(sum_, 1, 7)) if isinstance(e, Carry)]
    assert carry.turn.node == node_id("x")


def test_a_sum_that_overlaps_with_ours_is_kept_in_a_file_and_then_refused(b: Node) -> None:
    for life in (1, 2):
        b.counters.settled.put(column(life), Line(1, 1, forgotten=True))
    assert answer(b, {column(3): 1}).refused == ()
    effects = tell_sum(b, 1, 3)
    sum_ = residue_id(node_id("x"), {column(1): 1, column(3): 1})
    assert wants(effects) == [sum_]
    (keep,) = [e for e in give(b, content(sum_, 1, 7)) if isinstance(e, Keep)]
    assert keep.of == {column(1): (1, 1), column(3): (1, 0)}
    assert keep.counted == 0
    assert answer(b, {column(3): 1}).refused == ()  # not before it is in the file
    (notice,) = b.settlement.late.kept(sum_, 1)
    assert isinstance(notice, Notice)
    assert answer(b, {column(1): 1, column(3): 1}).refused == (column(3),)
    assert not b.settlement.conflicts.all()  # a guest is nobody to part with
    assert b.peers.get(GUEST) is not None


def test_a_file_that_cannot_be_written_is_tried_again(b: Node) -> None:
    b.counters.settled.put(column(1), Line(1, 1, forgotten=True))
    b.counters.settled.put(column(2), Line(1, 1, forgotten=True))
    effects = tell_sum(b, 1, 3)
    (sum_,) = wants(effects)
    give(b, content(sum_, 1, 7))
    assert b.settlement.late.kept(sum_, 0) == []
    assert answer(b, {column(3): 1}).refused == ()
    assert wants(tell_sum(b, 1, 3)) == [sum_]


def test_what_has_no_business_there_is_passed_over(b: Node) -> None:
    batch = content(column(1), 1, 5)
    assert b.received(GUEST, Push(batch), 1.0) == []
    assert b.received(GUEST, Digest({column(1): 1}, whole=False), 1.0) == []
    commit(b)
    assert b.counters.value(b"x") == 0


def test_a_released_version_is_refused_to_a_guest_and_kept(b: Node) -> None:
    b.intake.take_entries((entry("a", state=State.REMOVED),))
    released = column_id(node_id("a"), Epoch(b"\x05" * 16))
    assert b.intake.take_batch(content(released, 1, 5))
    b.intake.take_closings((Closing(released),))
    commit(b)
    b.settlement.releasing.release("a")
    commit(b)
    effects = b.received(GUEST, HandOver(1, {released: 2}), 1.0)
    assert wants(effects) == [released]
    (keep,) = [e for e in give(b, content(released, 2, 9)) if isinstance(e, Keep)]
    assert (keep.counted, dict(keep.of)) == (1, {})
    b.settlement.late.kept(released, 2)
    assert answer(b, {released: 2}).refused == (released,)
    assert b.counters.value(b"x") == 5
