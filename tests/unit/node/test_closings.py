"""Closings: which columns a node closes of itself, and what becomes of its own running one."""

from __future__ import annotations

import itertools
from random import Random

import attrs
import pytest
from nodes import commit, config, entry, hello, node, sent

from gcounterd.counters.counters import Counters
from gcounterd.counters.settled import Closing, Line
from gcounterd.errors import ClientError
from gcounterd.ids import ColumnId, Epoch
from gcounterd.members.roster import Roster, State
from gcounterd.node.closings import (
    HELD_BACK_S_MAX,
    PATIENCES,
    REDRAW_AGAIN_S,
    REDRAW_AGAIN_S_MAX,
)
from gcounterd.node.effects import Effect, Redraw
from gcounterd.node.intake import CLOSINGS_PER_GROUP, Intake
from gcounterd.node.messages import Push
from gcounterd.node.node import Node
from gcounterd.node.settled_messages import Settled


def restarted(letter: str, *members: str, lives: int) -> Node:
    """Return a node that has counted one in each earlier life, and never closed a column."""
    counters = Counters(config(letter, life=1).column, 1000)
    for life in range(1, lives):
        counters.reopen(config(letter, life=life).column)
        counters.add(b"x", 1)
        for batch in counters.cut():
            counters.apply(batch)
        counters.writer.settle()
    mine = config(letter, life=lives)
    counters.reopen(mine.column)
    return Node(mine, counters, Roster(map(entry, members)), Random(1), 0.0)


def close(of: Node, *columns: ColumnId, now: float = 0.0, final: int = 0) -> list[Effect]:
    """Let a node learn from elsewhere that columns are closed."""
    of.intake.take_closings(tuple(Closing(column, final) for column in columns))
    return commit(of, now)


def redraws(effects: list[Effect]) -> list[Redraw]:
    return [effect for effect in effects if isinstance(effect, Redraw)]


def test_a_start_closes_all_earlier_columns_of_its_node_and_no_other() -> None:
    other = config("b").column
    made = restarted("a", "a", "b", lives=4)
    made.counters.hold(other)
    commit(made)
    lives = [config("a", life=life).column for life in (1, 2, 3)]
    assert list(made.counters.settled) == lives
    assert all(made.counters.settled.get(column) == Line(1, 0, 1) for column in lives)
    assert made.counters.heads() == {other: 0}
    assert made.counters.value(b"x") == 3


def test_an_earlier_column_that_peers_still_hold_is_closed_when_it_comes() -> None:
    before = node("a", "a", "b", life=1)
    before.add(b"x", 1)
    group = before.cut()
    assert group is not None
    made = node("a", "a", "b", life=2)  # its disk was wiped
    made.opened(1, hello("b"), None, 0.0)
    made.received(1, Push(group.records[0].batch), 0.0)  # type: ignore[union-attr]
    effects = commit(made)
    column = config("a", life=1).column
    assert made.counters.settled.get(column) == Line(1, 0, 1)
    told = [message for message in sent(effects, 1) if isinstance(message, Settled)]
    assert told == [Settled(b"", b"", {column: Line(1, 0, 1)}, asks=False)]


def test_a_column_of_a_node_that_no_roster_knows_is_closed_after_a_while() -> None:
    made, column = stranger()
    due = PATIENCES * made.config.hash_every
    assert made.next_wake(0.0) <= due
    made.wake(due - 0.01)
    commit(made, due - 0.01)
    assert made.counters.is_open(column)
    made.wake(due)
    effects = commit(made, due)
    assert made.counters.settled.get(column) == Line(1, 0, 1)
    assert made.counters.value(b"x") == 1
    told = [message for message in sent(effects, 1) if isinstance(message, Settled)]
    assert told == [Settled(b"", b"", {column: Line(1, 0, 1)}, asks=False)]


def test_one_whose_entry_came_meanwhile_stays_open() -> None:
    made, column = stranger()
    made.intake.take_entries((entry("z"),))
    commit(made, 1.0)
    made.wake(PATIENCES * made.config.hash_every)
    commit(made, PATIENCES * made.config.hash_every)
    assert made.counters.is_open(column)


def test_a_newcomer_closes_none_before_it_is_a_member() -> None:
    made, column = stranger(seeds=("b:1",))
    made.wake(PATIENCES * made.config.hash_every)
    commit(made, PATIENCES * made.config.hash_every)
    assert made.counters.is_open(column)
    made.intake.take_entries((entry("a"),))
    commit(made, 70.0)
    made.wake(2 * PATIENCES * made.config.hash_every)
    commit(made, 2 * PATIENCES * made.config.hash_every)
    assert made.counters.is_closed(column)


def stranger(seeds: tuple[str, ...] = ()) -> tuple[Node, ColumnId]:
    """Return a node that was given a column of z, of which nobody has told it."""
    other = node("z", "z")
    other.add(b"x", 1)
    group = other.cut()
    assert group is not None
    made = node("a", *(() if seeds else ("a", "b")), seeds=seeds)
    made.opened(1, hello("b"), None, 0.0)
    made.received(1, Push(group.records[0].batch), 0.0)  # type: ignore[union-attr]
    commit(made)
    return made, other.config.column


def test_columns_of_a_removed_member_are_closed_when_its_entry_says_so() -> None:
    made = node("a", "a", "b", "c")
    for letter in "bc":
        made.counters.hold(config(letter).column)
    made.intake.take_entries((attrs.evolve(entry("b"), state=State.REMOVED),))
    commit(made)
    assert list(made.counters.settled) == [config("b").column]


def test_a_clean_end_leaves_a_final_version() -> None:
    made = node("a", "a", "b")
    made.add(b"x", 1)
    commit(made)
    made.settlement.closings.finish()
    commit(made)
    assert made.counters.settled.get(made.config.column) == Line(1, 1, 1)
    with pytest.raises(ClientError) as refused:
        made.add(b"x", 1)
    assert (refused.value.code, refused.value.definite) == ("draining", True)
    assert redraws(made.wake(100.0)) == []


def test_a_process_that_counted_nothing_ends_without_a_column() -> None:
    made = node("a", "a", "b")
    made.settlement.closings.finish()
    assert made.cut() is None


def test_a_column_that_a_peer_had_closed_is_declared_final_all_the_same() -> None:
    made = node("a", "a", "b")
    made.add(b"x", 1)
    commit(made)
    close(made, made.config.column)
    made.settlement.closings.finish()
    commit(made)
    assert made.counters.settled.get(made.config.column) == Line(1, 1, 1)


# -- the running column, closed by somebody else --------------------------------------------------


def held_back(now: float = 0.0) -> Node:
    """Return a node whose running column was closed, with an increment that waits."""
    made = node("a", "a", "b")
    made.add(b"x", 1)
    commit(made)
    close(made, made.config.column, now=now)
    made.add(b"x", 5)
    return made


def test_what_was_added_goes_to_a_new_column_and_the_one_before_is_final() -> None:
    made = held_back()
    column = made.config.column
    assert made.cut() is None
    assert redraws(made.wake(0.0)) == [Redraw(made.config.epoch)]
    made.reopen(Epoch(b"\2" * 16), 0.1)
    commit(made, 0.1)
    assert made.counters.value(b"x") == 6
    assert made.counters.settled.get(column) == Line(1, 1, 1)
    assert made.counters.heads() == {made.config.column: 1}


def test_increments_wait_for_a_column_for_a_moment_and_are_then_refused_for_certain() -> None:
    made = held_back()
    made.wake(0.0)
    assert not made.settlement.refuses
    assert made.next_wake(0.0) <= HELD_BACK_S_MAX
    made.wake(HELD_BACK_S_MAX)
    assert made.settlement.refuses
    assert made.has_work  # the shell is to refuse what waits
    with pytest.raises(ClientError) as refused:
        made.add(b"x", 1)
    assert (refused.value.status, refused.value.code) == (503, "no_column")
    assert refused.value.definite
    made.counters.writer.drop()
    assert not made.has_work
    made.reopen(Epoch(b"\2" * 16), 9.0)
    made.add(b"x", 2)
    commit(made, 9.0)
    assert made.counters.value(b"x") == 3


def test_a_peer_that_closes_every_new_column_is_followed_ever_more_seldom() -> None:
    made = held_back()
    asked = []
    now, life = 0.0, 2
    while life < 12:
        now = max(now, made.settlement.closings.next_wake())
        if redraws(made.wake(now)):
            asked.append(now)
            made.reopen(Epoch(bytes([life]) * 16), now)
            commit(made, now)
            close(made, made.config.column, now=now)
            life += 1
    gaps = [after - before for before, after in itertools.pairwise(asked)]
    assert gaps[0] >= REDRAW_AGAIN_S
    assert gaps == sorted(gaps)
    assert gaps[-1] == REDRAW_AGAIN_S_MAX


def test_a_process_that_gives_way_draws_no_epoch_and_refuses_what_waits() -> None:
    made = held_back()
    closings = made.settlement.closings
    assert closings.wake(0.0, stays=False) == []
    assert closings.refuses
    assert closings.next_wake() == float("inf")
    assert redraws(closings.wake(0.1, stays=True)) == [Redraw(made.config.epoch)]


def test_a_removed_process_draws_no_epoch_and_refuses_what_waits() -> None:
    made = node("a", "a", "b")
    made.add(b"x", 1)
    commit(made)
    made.add(b"x", 5)
    made.intake.take_entries((attrs.evolve(entry("a"), state=State.REMOVED),))
    close(made, made.config.column)
    made.counters.add(b"x", 7)
    closings = made.settlement.closings
    assert closings.holds_back
    assert closings.wake(0.0, stays=True) == []
    assert closings.refuses
    assert made.counters.value(b"x") == 6  # what came before is counted


# -- the intake -----------------------------------------------------------------------------------


def test_closings_of_one_column_are_one_and_their_bytes_are_given_back() -> None:
    made = node("a", "a")
    column = config("b").column
    for final in (0, 3, 1):
        made.intake.take_closings((Closing(column, final),))
    assert made.intake.size_bytes > 0
    commit(made)
    assert made.counters.settled.get(column) == Line(0, 3)
    assert made.intake.size_bytes == 0


def test_a_flood_of_closings_goes_in_several_commits() -> None:
    made = node("a", "a")
    lives = [ColumnId(number.to_bytes(32, "big")) for number in range(CLOSINGS_PER_GROUP + 1)]
    made.intake.take_closings(tuple(map(Closing, lives)))
    group = made.cut()
    assert group is not None
    assert made.intake.size_bytes > 0
    for _ in made.applying(group):
        pass
    made.committed(group, 0.0)
    assert len(made.counters.settled) == CLOSINGS_PER_GROUP
    commit(made)
    assert len(made.counters.settled) == len(lives)
    assert made.intake.size_bytes == 0


def test_closings_that_a_full_disk_refused_are_tried_again_and_accounted_for_once() -> None:
    intake = Intake(Counters(config("a").column, 10))
    one, two = Closing(config("b").column, 2), Closing(config("c").column)
    intake.take_closings((one,))
    before = intake.size_bytes
    group = intake.cut([])
    intake.take_closings((two, Closing(one.column)))
    intake.abandoned(group)
    assert intake.size_bytes == 2 * before
    (record,) = intake.cut([]).records
    assert list(record.closings) == [two, one] or list(record.closings) == [one, two]  # type: ignore[union-attr]
    assert intake.size_bytes == 0
