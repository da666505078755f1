"""The schedule of chaos is a function of its seed, and asks for nothing that cannot be."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from tests.chaos.schedule import (
    MEMBERS_MAX,
    REMOVALS_MAX,
    REMOVING,
    STAY_MIN,
    WEIGHTS,
    Role,
    Schedule,
    Step,
)

SEEDS = range(20)
ROUNDS = 20


def play(seed: int, rounds: int = ROUNDS, verbs: tuple[str, ...] = tuple(WEIGHTS)) -> list[Step]:
    """Return all steps of some rounds, each mended."""
    schedule, steps = Schedule(seed, 7, verbs), []
    for steps_of_round in itertools.islice(schedule.rounds(), rounds):
        steps += list(steps_of_round)
        schedule.mend()
    return steps


def test_a_seed_decides_every_step() -> None:
    assert play(1) == play(1)
    assert play(1) != play(2)


def test_every_fault_is_drawn_within_thirty_minutes() -> None:
    drawn = Counter(step.verb for step in play(1, rounds=50))
    assert sorted(drawn) == sorted(WEIGHTS)


def test_what_is_left_out_is_not_drawn() -> None:
    verbs = tuple(verb for verb in WEIGHTS if verb not in REMOVING)
    assert not {step.verb for step in play(1, verbs=verbs)} & set(REMOVING)


@pytest.mark.parametrize("seed", SEEDS)
def test_some_always_take_increments_and_the_dead_are_never_half(seed: int) -> None:
    schedule = Schedule(seed, 7)
    for steps in itertools.islice(schedule.rounds(), ROUNDS):
        removals = 0
        for step in steps:
            removals += step.verb in ("remove", "bury", "replace")
            places = schedule.places.values()
            assert STAY_MIN <= len(schedule.members()) <= MEMBERS_MAX
            assert removals <= REMOVALS_MAX
            assert any(place.role is Role.MEMBER and not place.ill for place in places)
            # Once all is mended, the targets that are down must leave a majority alive.
            buried = [place for place in places if place.role is Role.BURIED]
            assert len(buried) < len(schedule.members())
        schedule.mend()


@pytest.mark.parametrize("seed", SEEDS)
def test_mending_leaves_members_that_run_and_nobody_on_the_way(seed: int) -> None:
    schedule = Schedule(seed, 7)
    for steps in itertools.islice(schedule.rounds(), ROUNDS):
        asked = [step.who[0] for step in steps if step.verb in ("remove", "bury")]
        schedule.mend()
        for place in schedule.places.values():
            assert place.role in (Role.EMPTY, Role.MEMBER, Role.REMOVED)
            assert place.up is (place.role is Role.MEMBER)
            assert not any((place.paused, place.alone, place.new, place.fresh))
        assert all(schedule.places[name].role is Role.REMOVED for name in asked)


@pytest.mark.parametrize("seed", SEEDS)
def test_only_a_buried_disk_that_stayed_down_is_away(seed: int) -> None:
    schedule, buried = Schedule(seed, 7), Counter[str]()
    for steps in itertools.islice(schedule.rounds(), ROUNDS):
        buried.update(step.who[0] for step in steps if step.verb == "bury")
        schedule.mend()
        away = [place for place in schedule.places.values() if place.away]
        assert all(place.role is Role.REMOVED and buried[place.name] for place in away)


def test_a_disk_that_is_brought_back_is_not_away_any_more() -> None:
    schedule, ended = Schedule(2, 7), 0
    for steps in itertools.islice(schedule.rounds(), 3 * ROUNDS):
        before = [place.name for place in schedule.places.values() if place.away]
        last = {step.who[0]: step.verb for step in steps if step.who}
        schedule.mend()
        for name in before:
            if last.get(name) == "return":
                assert not schedule.places[name].away
                ended += 1
    assert ended


def test_a_name_that_is_new_in_a_round_is_not_removed_in_it() -> None:
    for seed in SEEDS:
        schedule = Schedule(seed, 7)
        for steps in itertools.islice(schedule.rounds(), ROUNDS):
            fresh: list[str] = []
            for step in steps:
                if step.verb in ("renew", "replace"):
                    fresh.append(step.who[0])
                assert step.verb not in ("remove", "bury") or step.who[0] not in fresh
            schedule.mend()


def test_a_step_reads_as_a_line() -> None:
    assert str(Step(1.0, "remove", ("n3", "n1"), "twice")) == "remove n3 n1 (twice)"
    assert str(Step(1.0, "heal")) == "heal"
