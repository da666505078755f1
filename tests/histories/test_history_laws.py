"""Histories that are right are accepted, whatever happened in them; spoiled in one place, they are
rejected by the rule that this place breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.histories.checker import RULES, Verdict, check
from tests.histories.history import History, Loss, Operation, Outcome, read_lines
from tests.histories.model import QUIET_STEPS, Model
from tests.histories.moments import Moment, Sweep

seeds = st.integers(0, 10**9)


def play(seed: int, steps: int = 200, places: int = 3) -> History:
    rng = Random(seed)
    return Model(rng, places, clients=4, amounts=lambda: rng.randint(1, 9)).play(steps)


@given(seeds, st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_a_right_history_is_accepted(seed: int, places: int) -> None:
    assert check(play(seed, places=places)).findings == []


@given(seeds)
def test_a_history_is_read_back_from_its_lines(seed: int) -> None:
    history = play(seed)
    assert read_lines(history.lines()) == history


def test_every_rule_but_that_of_several_counters_has_something_to_judge() -> None:
    verdict = Verdict()
    for seed in range(30):
        verdict.merge(check(play(seed)))
    assert [rule for rule in RULES if not verdict.judged[rule]] == ["all or nothing"]


# -- spoiling: each of these makes one operation a lie that one rule must call so ------------------

# Given a moment of a right history, the operation as a liar tells it, or None.
Lie = Callable[[Moment], Operation | None]


def show(moment: Moment, value: int) -> Operation | None:
    operation = moment.operation
    shown = operation.value
    return attrs.evolve(operation, value=value) if shown is not None and value >= 0 else None


def more_than_was_asked_for(moment: Moment) -> Operation | None:
    return show(moment, moment.with_refused + 1)


def something_that_was_refused(moment: Moment) -> Operation | None:
    return None if moment.with_refused == moment.attempted else show(moment, moment.attempted + 1)


def less_than_its_place_showed(moment: Moment) -> Operation | None:
    operation = moment.operation
    return None if operation.repeated else show(moment, moment.floor + operation.amount - 1)


def less_than_was_wanted(moment: Moment) -> Operation | None:
    is_done = moment.operation.outcome is Outcome.OK
    return show(moment, moment.operation.least - 1) if is_done else None


def less_than_was_acknowledged(moment: Moment) -> Operation | None:
    is_done = moment.operation.outcome is Outcome.OK
    return show(moment, sum(moment.answered.values()) - 1) if is_done else None


def less_than_others_showed(moment: Moment) -> Operation | None:
    is_done = moment.operation.outcome is Outcome.OK
    return show(moment, max(moment.floors.values(), default=0) - 1) if is_done else None


def less_than_all_hold(moment: Moment) -> Operation | None:
    return None if moment.operation.repeated else show(moment, moment.to_all - 1)


def another_value_than_all_others(moment: Moment) -> Operation | None:
    operation = moment.operation
    return show(moment, (operation.value or 0) + 1) if operation.final else None


LIES: list[tuple[Lie, str]] = [
    (more_than_was_asked_for, "never over"),
    (something_that_was_refused, "refused is nothing"),
    (less_than_its_place_showed, "no dip"),
    (less_than_was_wanted, "min is kept"),
    (less_than_was_acknowledged, "asks everybody"),
    (less_than_others_showed, "shows everything"),
    (less_than_all_hold, "held by all"),
    (another_value_than_all_others, "agreement"),
]


def moments_of(history: History) -> Iterator[Moment]:
    places = list(dict.fromkeys(each.place for each in history.operations))
    for operations in history.by_key().values():
        yield from Sweep(operations, history.losses, places).run()


def replace(history: History, old: Operation, new: Operation) -> History:
    told = [new if each is old else each for each in history.operations]
    return History(told, history.losses)


@pytest.mark.parametrize(("lie", "rule"), LIES, ids=[rule for _, rule in LIES])
@given(seed=seeds, choice=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_one_wrong_value_is_rejected_by_its_rule(
    lie: Lie, rule: str, seed: int, choice: Random
) -> None:
    history = play(seed)
    lies = [(each.operation, told) for each in moments_of(history) if (told := lie(each))]
    assume(lies)
    verdict = check(replace(history, *choice.choice(lies)))
    assert rule in verdict.broken


@given(seed=seeds, choice=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_another_answer_to_a_repeated_increment_is_rejected(seed: int, choice: Random) -> None:
    history = play(seed)
    answered = [each for each in history.operations if each.token and each.value is not None]
    assume(answered)
    first = choice.choice(answered)
    end = max(each.returned for each in history.operations)
    again = attrs.evolve(first, invoked=end + 1, returned=end + 2, repeated=True)
    history.operations.append(again)
    assert check(history).findings == []
    wrong = attrs.evolve(again, value=choice.randint(first.amount, again.value or 0) - 1)
    assert "same answer" in check(replace(history, again, wrong)).broken


def play_in_bits(seed: int) -> History:
    """Play with amounts that are different powers of two: no total can be had in two ways."""
    amounts = count()
    model = Model(Random(seed), 3, clients=3, amounts=lambda: 1 << next(amounts))
    return model.play(QUIET_STEPS - 1)  # so that no disk is lost


@given(seed=seeds, choice=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_an_answered_increment_cannot_be_called_refused(seed: int, choice: Random) -> None:
    history = play_in_bits(seed)
    answered = [each for each in history.operations if is_single(history, each, Outcome.OK)]
    assume(answered)
    told = choice.choice(answered)
    liar = attrs.evolve(told, outcome=Outcome.REFUSED, value=None)
    assert "acceptable end" in check(replace(history, told, liar)).broken


@given(seed=seeds, choice=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_refused_increment_cannot_be_called_answered(seed: int, choice: Random) -> None:
    history = play_in_bits(seed)
    refused = [each for each in history.operations if is_single(history, each, Outcome.REFUSED)]
    assume(refused)
    told = choice.choice(refused)
    liar = attrs.evolve(told, outcome=Outcome.OK, value=told.amount)
    assert "acceptable end" in check(replace(history, told, liar)).broken


def is_single(history: History, operation: Operation, outcome: Outcome) -> bool:
    """Say whether an operation is an increment that was asked for once, with this outcome."""
    token = operation.token
    attempts = [each for each in history.operations if token and each.token == token]
    return operation.outcome is outcome and operation.amount > 0 and len(attempts) < 2


@given(seed=seeds)
@settings(max_examples=60, deadline=None)
def test_a_disk_that_is_lost_forgives_but_never_makes_a_right_history_wrong(seed: int) -> None:
    history = play(seed)
    end = max(each.returned for each in history.operations)
    at = Random(seed).uniform(0, end)
    history.losses.append(Loss("p0", at))
    assert check(history).findings == []
