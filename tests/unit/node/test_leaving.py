"""Leaving: the steps of a live node's end, one after the other and none too early."""

from __future__ import annotations

import attrs
import pytest
from nodes import commit, entry, hello, node, sent
from twin_hellos import BULK, CONTROL

from gcounterd.errors import ClientError
from gcounterd.members.claims import Claim, Liveness
from gcounterd.members.roster import State
from gcounterd.node.effects import Effect, Exit, Notice
from gcounterd.node.leaving import EXIT_REMOVED, LOOK_EVERY_S, STEPS, Phase
from gcounterd.node.messages import Push
from gcounterd.node.node import Node
from gcounterd.node.removal_messages import HandOver, Held, Saved


def member() -> Node:
    """Return a, which has counted once, beside b and c, and linked with both."""
    made = node("a", "a", "b", "c")
    for number, letter in enumerate("bc"):
        made.opened(2 * number + 1, hello(letter, BULK), None, 0.0)
        made.opened(2 * number + 2, hello(letter, CONTROL), None, 0.0)
    made.add(b"x", 1)
    commit(made)
    return made


def remove(at: Node, letter: str = "a", now: float = 1.0) -> list[Effect]:
    """Let the roster say that a member is being removed into c."""
    removing = attrs.evolve(entry(letter), state=State.REMOVING, heir=entry("c").node)
    at.intake.take_entries((removing,))
    return commit(at, now)


def answer(at: Node, link: int, now: float, *, roster: bytes = b"") -> list[Effect]:
    """Let a member say that it holds all that we do, and what is final."""
    leaving = at.removing.leaving
    heads = at.counters.all_heads()
    effects = at.received(link, Held(10**6, heads, roster or at.roster.hash()), now)
    saving = at.removing.savings.get(at.config.node)
    if leaving.is_mute and saving is not None:
        said = at.removing.savings.say(at.config.node, asks=False)
        effects += at.received(link, Saved(said.target, said.columns, False, False), now)
    return effects


def ends(effects: list[Effect]) -> list[int]:
    return [effect.code for effect in effects if isinstance(effect, Exit)]


def go_on(at: Node, *links: int, until: float = 20.0) -> list[Effect]:
    """Let time pass and members answer until it has ended."""
    now, effects = 1.0, list[Effect]()
    while not ends(effects) and now < until:
        now += LOOK_EVERY_S
        effects += [*at.wake(now), *commit(at, now)]
        for link in links:
            effects += answer(at, link, now)
        effects += commit(at, now)
    return effects


def test_every_phase_but_the_first_and_the_last_has_one_step() -> None:
    assert [*STEPS] == [Phase.COMMITTING, Phase.HANDING_OVER, Phase.PARTING]
    assert [step.next for step in STEPS.values()] == [*[*STEPS][1:], Phase.GONE]


def test_it_refuses_increments_for_certain_and_names_who_stays() -> None:
    a = member()
    notices = [e.name for e in remove(a) if isinstance(e, Notice)]
    assert "removing" in notices
    with pytest.raises(ClientError) as refused:
        a.add(b"x", 1)
    assert (refused.value.status, refused.value.code) == (503, "removing")
    assert refused.value.definite
    assert {each["node"] for each in refused.value.details["others"]} == {"b", "c"}
    assert "this node is being removed" in a.removing.leaving.reasons()[0]


def test_what_waits_is_committed_before_anything_is_handed_over() -> None:
    a = member()
    a.add(b"x", 1)
    a.roster.merge([attrs.evolve(entry("a"), state=State.REMOVING)])
    a.removing.leaving.look(1.0)
    assert a.removing.leaving.phase is Phase.COMMITTING
    assert a.removing.leaving.waiting()[0][0] == a.config.node
    commit(a, 1.1)
    assert a.removing.leaving.phase is Phase.HANDING_OVER
    asked = [m for m in sent(a.wake(2.0), 1) if isinstance(m, HandOver)]
    assert [m.heads for m in asked] == [{a.config.column: 2}]


def test_it_parts_when_all_that_answer_hold_what_was_offered_first() -> None:
    a = member()
    remove(a)
    a.wake(2.0)
    answer(a, 1, 2.1)
    assert a.removing.leaving.phase is Phase.HANDING_OVER
    answer(a, 3, 2.2)
    assert a.removing.leaving.phase is Phase.PARTING
    commit(a, 2.3)
    line = a.counters.settled.get(a.config.column)
    assert line is not None
    assert line.final == line.version == 1


def test_when_it_parts_it_takes_in_nothing_more_of_what_peers_count() -> None:
    a, b = member(), node("b", "a", "b", "c")
    b.opened(1, hello("a"), None, 0.0)
    b.add(b"x", 1)
    (push,) = [m for m in sent(commit(b), 1) if isinstance(m, Push)]
    remove(a)
    a.wake(2.0)
    for link in (1, 3):
        answer(a, link, 2.1)
    assert a.removing.leaving.is_mute
    commit(a, 2.2)
    assert a.received(1, push, 2.3) == []
    assert not a.intake


def test_it_ends_with_0_and_says_who_holds_its_counts() -> None:
    a = member()
    remove(a)
    effects = go_on(a, 1, 3)
    (end,) = [effect for effect in effects if isinstance(effect, Exit)]
    assert end.code == EXIT_REMOVED
    assert "removed into c" in end.text
    assert "held by b, c" in end.text
    assert a.removing.leaving.is_gone
    assert a.removing.leaving.next_wake() == float("inf")


@pytest.mark.parametrize("silent", [1, 3])
def test_it_waits_for_everyone_who_answers(silent: int) -> None:
    a = member()
    remove(a)
    assert ends(go_on(a, 4 - silent)) == []
    waiting = dict(a.removing.leaving.waiting())
    assert list(waiting) == [entry("b" if silent == 1 else "c").node]


def test_it_does_not_wait_for_the_dead() -> None:
    a = member()
    remove(a)
    claim = Claim(entry("c").node, entry("c").epoch, 0, Liveness.LEFT)
    a.detector.heard([claim], entry("c").node, 1.0)
    assert ends(go_on(a, 1)) == [EXIT_REMOVED]


def test_with_another_roster_it_is_waited_for() -> None:
    a = member()
    remove(a)
    a.wake(2.0)
    for link in (1, 3):
        answer(a, link, 2.1)
    commit(a, 2.2)
    a.wake(2.3)
    answer(a, 1, 2.4)
    effects = answer(a, 3, 2.5, roster=b"another roster 1")
    assert ends(effects) == []
    assert (entry("c").node, "has another roster") in a.removing.leaving.waiting()


def test_with_no_active_member_left_it_stays_and_says_the_way_out() -> None:
    a = member()
    for letter in "bc":
        remove(a, letter)
    remove(a)
    assert ends(go_on(a, 1, 3)) == []
    ((who, why),) = a.removing.leaving.waiting()
    assert who == a.config.node
    assert "--new-identity" in why


def test_one_that_is_not_removed_is_idle() -> None:
    a = member()
    assert a.removing.leaving.reasons() == []
    assert a.removing.leaving.next_wake() == float("inf")
    a.removing.leaving.check()
