"""What a removal waits for before a member that does not answer is let go."""

from __future__ import annotations

import attrs
import pytest
from nodes import commit, config, entry, hello, node, node_id

from gcounterd.counters.settled import Closing, Line
from gcounterd.members.roster import State


def test_a_version_that_was_called_final_and_that_nobody_holds_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a = node("a", "a", "c")
    monkeypatch.setattr(a.detector, "lives", lambda _: False)
    leaving = attrs.evolve(entry("c"), state=State.REMOVING)
    a.intake.take_entries((leaving,))
    a.intake.take_closings((Closing(config("c").column, 3),))
    commit(a)
    savings = a.removing.savings
    (saving,) = savings
    assert savings.waiting(saving) == [
        (node_id("c"), "has the last version of a column: start it once more")
    ]

    a.intake.take_entries((attrs.evolve(leaving, forced=True),))
    commit(a)
    assert savings.waiting(saving) == []


def test_a_member_that_answers_has_to_show_the_same_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a = node("a", "a", "b", "c")
    monkeypatch.setattr(a.detector, "lives", lambda who: who == node_id("b"))
    a.opened(1, hello("b"), None, 0.0)
    a.intake.take_entries((attrs.evolve(entry("c"), state=State.REMOVING),))
    commit(a)
    savings = a.removing.savings
    (saving,) = savings
    mine = savings.say(node_id("c"), asks=False)

    a.received(1, attrs.evolve(mine, columns=bytes(16)), 1.0)
    assert savings.waiting(saving) == [(node_id("b"), "holds other versions")]

    a.received(1, mine, 2.0)
    assert savings.waiting(saving) == []


def test_what_came_with_anothers_sum_is_shown_to_whoever_leaves() -> None:
    a = node("a", "a", "b", "c")
    a.intake.take_entries((attrs.evolve(entry("c"), state=State.REMOVING),))
    commit(a)
    savings = a.removing.savings
    before = savings.say(node_id("c"), asks=False)

    # As a turn leaves it: the column is known to be forgotten, at its final version.
    a.counters.settled.put(config("c").column, Line(3, final=3, forgotten=True))
    a.removing.turned(node_id("c"), 1.0)

    assert savings.say(node_id("c"), asks=False) != before
    assert savings.next_wake() <= 1.0
