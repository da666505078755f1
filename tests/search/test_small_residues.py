"""Every way in which three replicas can come to hold, forget, lose and level a few columns."""

from __future__ import annotations

import itertools

import pytest

from gcounterd.counters import residue
from gcounterd.counters.residue import Step
from tests.search import forgetting
from tests.search.forgetting import Row, Rules, cell, decided, search, starts, versions

CELLS = (0, cell(1), cell(2), cell(1, forgotten=True), cell(2, forgotten=True))
TAKING = (Step.UNITE, Step.REPLACE)
# What the two sides may decide at the same moment, in either order.
TOGETHER = {
    (Step.NOTHING, Step.NOTHING),
    (Step.UNITE, Step.UNITE),
    (Step.UNITE, Step.WAIT),
    (Step.REPLACE, Step.WAIT),
    (Step.YIELD, Step.WAIT),
    (Step.REFUSE, Step.REFUSE),
}
LINES = [None, ((0, 1), (1, 2)), ((0, 2), (2, 1)), ((1, 0), (0, 2))]


def rows(columns: int) -> list[Row]:
    return list(itertools.product(CELLS, repeat=columns))


@pytest.fixture(autouse=True)
def _forget_what_was_decided() -> None:
    decided.cache_clear()
    forgetting.outcome.cache_clear()


def test_two_replicas_with_whatever_they_hold_never_both_give_way() -> None:
    for mine, theirs in itertools.product(rows(3), repeat=2):
        steps = decided(mine, theirs)[0], decided(theirs, mine)[0]
        assert steps in TOGETHER or steps[::-1] in TOGETHER, (mine, theirs)


def test_no_version_goes_down_but_what_is_set_aside() -> None:
    for mine, theirs in itertools.product(rows(3), repeat=2):
        step, after, plan = decided(mine, theirs)
        lower = [
            c for c, (a, b) in enumerate(zip(versions(mine), versions(after), strict=True)) if b < a
        ]
        assert [forgetting.name(c) for c in lower] == sorted(plan.aside)
        assert bool(lower) == (step is Step.YIELD)


@pytest.mark.parametrize("links", LINES)
def test_three_replicas_agree_or_refuse_each_other_whoever_meets_whom(links) -> None:
    for held in itertools.product(rows(2), repeat=3):
        end, steps = forgetting.healed(held, links)
        agreed = len({versions(row) for row in end}) == 1
        assert agreed or Step.REFUSE in steps, held


FINAL = (2, 2, 2)
HALF = (2, 0)  # the second column's writer crashed; it is forgotten only when released
SEARCHES = [
    ("a newcomer, a lost disk, a late return", 3, (0, 2), Rules(FINAL, returns=True, losses=1)),
    ("an old disk", 3, (0, 2), Rules(FINAL, rolled=True)),
    ("old hashes, lost and old disks", 2, (0, 2), Rules(FINAL, stale=True, losses=1, rolled=True)),
    ("old hashes", 3, (2,), Rules(FINAL[:2], stale=True)),
]


@pytest.mark.parametrize(("replicas", "held", "rules"), [s[1:] for s in SEARCHES])
def test_what_ended_well_is_forgotten_without_any_loss(replicas, held, rules) -> None:
    found = search(starts(replicas, len(rules.final), held, rules), rules)
    assert found.acts["forget"]
    assert set(found.outcomes) == {"agree"}, found


RELEASES = [
    ("a lost disk, a late return", 3, (0, 1, 2), Rules(HALF, returns=True, losses=1)),
    ("old hashes, a lost disk", 2, (0, 1, 2), Rules(HALF, stale=True, losses=1)),
]


@pytest.mark.parametrize(("replicas", "held", "rules"), [r[1:] for r in RELEASES])
def test_what_was_released_is_at_worst_set_aside(replicas, held, rules) -> None:
    found = search(starts(replicas, len(rules.final), held, rules), rules)
    assert found.acts["release"]
    assert found.acts["forget"]
    assert set(found.outcomes) <= {"agree", "yield"}, found


def test_the_search_finds_that_forgetting_needs_everybodys_hash() -> None:
    rules = Rules(FINAL, early=True)
    assert search(starts(3, 3, (0, 2), rules), rules, "refuse").outcomes["refuse"]


def test_the_search_finds_a_residue_that_does_not_dominate(monkeypatch) -> None:
    def careless(mine, given):
        lacking = [c for c in mine.residue if c not in given.residue]
        return {c: given.columns[c] for c in lacking if c in given.columns}

    monkeypatch.setattr(residue, "_along", careless)
    with pytest.raises(AssertionError):
        test_no_version_goes_down_but_what_is_set_aside()


def test_the_search_finds_copies_that_are_counted_beside_the_residue(monkeypatch) -> None:
    real = residue.plan_taking

    def keeping(mine, given, *, yielding=False):
        plan = real(mine, given, yielding=yielding)
        return plan and forgetting.attrs.evolve(plan, covered=plan.covered[1:])

    monkeypatch.setattr(residue, "plan_taking", keeping)
    with pytest.raises(AssertionError):
        test_no_version_goes_down_but_what_is_set_aside()
