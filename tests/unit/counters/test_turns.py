"""A turn changes where counts are kept, and never twice or not at all what they come to."""

from __future__ import annotations

import pytest
from forgetful import Replica, life

from gcounterd.counters.residue import Step
from gcounterd.counters.settled import Closing
from gcounterd.counters.turns import Turn
from gcounterd.errors import StorageError
from gcounterd.ids import node_of

A1, A2, A3, B1 = life("a", 1), life("a", 2), life("a", 3), life("b", 1)
A = node_of(A1)
KEYS = [b"x", b"y", b"z"]


def written(own, *flushes):
    """Return a replica that counted, and the batches."""
    replica = Replica(own)
    return [batch for flush in flushes for batch in replica.count(flush)]


def holding(*lives):
    """Return a replica at b that took in and closed what these lives of a wrote."""
    replica = Replica(B1)
    for batches in lives:
        replica.take(*batches)
        replica.close(batches[0].column, final=batches[-1].version)
    return replica


ONE = written(A1, {b"x": 1, b"y": 10}, {b"x": 2})
TWO = written(A2, {b"z": 5, b"x": 7})


@pytest.mark.parametrize("cold", [False, True])
def test_forgetting_changes_no_value(cold) -> None:
    held = holding(ONE, TWO)
    if cold:
        held.checkpoint()
    held.forget(A1)
    assert held.values(KEYS) == {b"x": 10, b"y": 10, b"z": 5}
    assert held.counters.is_forgotten(A1)
    assert not held.counters.is_forgotten(A2)
    assert held.is_sound()
    assert not held.read(A1)


def test_what_is_forgotten_is_still_there_after_a_restart() -> None:
    held = holding(ONE, TWO)
    held.forget(A1)
    held.forget(A2)
    held.crash()
    assert held.values(KEYS) == {b"x": 10, b"y": 10, b"z": 5}
    assert held.counters.head(A1) == 2
    assert held.counters.is_forgotten(A1)
    assert held.is_sound()


@pytest.mark.parametrize("crash", ["before", "after"])
def test_a_crash_leaves_all_of_a_turn_or_nothing(crash) -> None:
    held = holding(ONE, TWO)
    held.checkpoint()
    held.forget(A1, crash=crash)
    assert held.counters.is_forgotten(A1) == (crash == "after")
    assert held.values(KEYS) == {b"x": 10, b"y": 10, b"z": 5}
    assert held.is_sound()


def test_a_late_batch_of_a_forgotten_column_counts_nothing() -> None:
    held = holding(ONE[:1])
    held.forget(A1)
    held.take(*ONE)
    assert held.values([b"x"]) == {b"x": 1}
    held.crash()
    assert held.values([b"x"]) == {b"x": 1}


def test_a_newcomer_takes_a_residue_and_its_columns() -> None:
    held, newcomer = holding(ONE, TWO), Replica(life("c", 1))
    held.forget(A1)
    newcomer.level(held, A2)
    assert newcomer.learn(held, A) is Step.UNITE
    assert newcomer.values(KEYS) == held.values(KEYS)
    assert newcomer.counters.residues.get(A).id == held.counters.residues.get(A).id
    newcomer.crash()
    assert newcomer.values(KEYS) == held.values(KEYS)
    assert newcomer.is_sound()


def test_a_copy_that_a_residue_covers_is_dropped() -> None:
    held, behind = holding(ONE, TWO), holding(ONE[:1])
    held.forget(A1, A2)
    behind.checkpoint()
    assert behind.learn(held, A) is Step.UNITE
    assert behind.values(KEYS) == held.values(KEYS)
    assert not behind.read(A1)
    assert behind.is_sound()


def test_a_replaced_residue_brings_along_what_it_lacks() -> None:
    mine, theirs = holding(ONE[:1]), holding(ONE, TWO)
    mine.forget(A1)
    theirs.forget(A2)
    assert mine.learn(theirs, A) is Step.REPLACE
    assert mine.values(KEYS) == theirs.values(KEYS)
    assert not mine.counters.is_forgotten(A1)
    assert mine.counters.head(A1) == 2
    assert mine.is_sound()
    mine.crash()
    assert mine.values(KEYS) == theirs.values(KEYS)


def test_a_residue_that_covers_nothing_any_more_is_gone() -> None:
    mine, theirs = holding(ONE[:1]), holding(ONE)
    mine.forget(A1)
    assert mine.learn(theirs, A) is Step.REPLACE
    assert mine.counters.residues.get(A) is None
    assert mine.values(KEYS) == theirs.values(KEYS)
    mine.crash()
    assert mine.values(KEYS) == theirs.values(KEYS)


def test_what_is_set_aside_can_be_written_down() -> None:
    mine, theirs = holding(ONE), holding(ONE[:1], TWO)
    theirs.forget(A1)
    theirs.forget(A2)
    step, turn = mine.given_by(theirs, A)
    assert step is Step.YIELD
    mine.turn(turn)
    assert sorted(turn.set_aside()) == [(A1, b"x", 3), (A1, b"y", 10)]
    assert turn.aside == {A1: 2}
    assert mine.values(KEYS) == theirs.values(KEYS)
    assert mine.is_sound()


def test_a_turn_does_not_count_once_its_column_has_risen() -> None:
    held = holding(ONE[:1])
    turn = Turn.forgetting(held.counters, A, [A1])
    list(turn.place())
    turn.build({column: held.read(column) for column, _ in turn.lacking()})
    held.take(*ONE)
    assert not turn.is_current()


def test_a_turn_does_not_count_once_the_residue_is_another() -> None:
    held, newcomer = holding(ONE, TWO), Replica(life("c", 1))
    held.forget(A1)
    _, turn = newcomer.given_by(held, A)
    newcomer.learn(held, A)
    assert not turn.is_current()


def test_two_residues_of_one_node_are_no_state_to_start_from() -> None:
    held, other = holding(ONE, TWO), holding(ONE, TWO)
    held.forget(A1)
    other.forget(A2)
    held.images |= other.images
    with pytest.raises(StorageError):
        held.crash()


def test_a_final_version_learnt_after_forgetting_outlives_the_journal() -> None:
    held = Replica(B1)
    held.take(*ONE)
    held.close(A1)
    held.forget(A1)
    held.close(A1, final=2)
    held.checkpoint()
    held.crash()
    assert held.counters.settled.get(A1).final == 2


def test_a_column_that_is_being_closed_is_named_all_the_time() -> None:
    held = Replica(B1)
    held.take(*ONE)
    for _ in held.counters.closing([Closing(A1)]):
        assert held.counters.all_heads() == {A1: 2}
    assert held.counters.all_heads() == {A1: 2}
