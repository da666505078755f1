"""A hello of another process of a node: whoever is known is asked before it is replaced."""

from __future__ import annotations

import pytest
from nodes import judge, node, node_id, sent
from twin_hellos import BULK, CONTROL, epoch, life_of

from gcounterd.node import asking
from gcounterd.node.asking import ANSWER_GOOD_S, QUESTION_KEPT_S, WAITED_PER_HELLO_S
from gcounterd.node.effects import Dial, Drop, Notice
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Hello, Here, Refusal, Refused, Who
from gcounterd.node.node import Node

# A hello each so often; a process that is silent for a probe round is given up.
STEP_S = 0.3
PATIENCE_S = 1.5
STARTER = life_of("b", 5, provisional=True)


def linked(life: int = 2) -> Node:
    """Return node `a`, linked with process `life` of node `b`, as link 1 and 2."""
    a = node("a", "a", "b")
    a.opened(1, life_of("b", life), None, 0.0)
    a.opened(2, life_of("b", life, BULK), None, 0.0)
    return a


def unlinked() -> Node:
    """Return node `a`, whose dial of node `b` came to nothing."""
    a = node("a", "a", "b")
    a.dial_failed("b:1", CONTROL, Grade.TIMEOUT, None, 0.0)
    return a


def ask(by: Node, said: Hello, now: float = 0.0) -> int:
    """Let a hello be judged, which asks the process at link 1; return the question's number."""
    refusal, effects = by.judge(said, now)
    assert refusal is not None
    assert refusal.reason is Refused.ASKING
    (question,) = sent(effects, 1)
    assert isinstance(question, Who)
    return question.number


def say_until_accepted(by: Node, said: Hello, now: float = 0.0) -> float:
    """Say hello again and again; return how long until it was accepted."""
    began = now
    while judge(by, said, now) is not None:
        now += STEP_S
        assert now < began + 20
    return now - began


@pytest.mark.parametrize("changes", [{}, {"provisional": True}])
def test_a_process_of_a_node_that_nobody_knows_is_accepted(changes: dict) -> None:
    assert node("a", "a").judge(life_of("b", 1, **changes), 0.0) == (None, [])


def test_a_second_connection_of_one_process_asks_nobody() -> None:
    assert linked().judge(life_of("b", 2, provisional=True), 0.0) == (None, [])


def test_a_starter_is_told_of_its_twin_once_that_has_answered() -> None:
    a = linked()
    number = ask(a, STARTER)
    assert ask(a, STARTER, 0.1) == number  # asked again: it may have been lost
    a.received(1, Here(number, epoch(2)), 0.2)
    refusal, (notice,) = a.judge(STARTER, 0.3)
    assert refusal is not None
    assert (refusal.reason, refusal.address) == (Refused.TWIN, "b:2")
    assert refusal.epoch == epoch(2)
    assert isinstance(notice, Notice)
    assert notice.name == "twin"
    assert notice.fields == {
        "member": "b",
        "id": node_id("b").hex(),
        "told": "b:5",
        "stays": "b:2",
    }


def test_each_telling_rests_on_an_answer_of_its_own() -> None:
    a = linked()
    a.received(1, Here(ask(a, STARTER), epoch(2)), 0.1)
    assert judge(a, STARTER, 0.2) is not None
    ask(a, STARTER, 0.3)


@pytest.mark.parametrize(
    ("link", "off_by"), [(1, 1), (3, 0)], ids=["another question", "another process"]
)
def test_an_answer_to_another_question_says_nothing(link: int, off_by: int) -> None:
    a = linked()
    a.opened(3, life_of("c", 1), None, 0.0)
    number = ask(a, STARTER)
    a.received(link, Here(number + off_by, epoch(2)), 0.1)
    ask(a, STARTER, 0.2)


def test_an_answer_is_not_good_for_long() -> None:
    a = linked()
    a.received(1, Here(ask(a, STARTER), epoch(2)), 0.1)
    ask(a, STARTER, 0.2 + ANSWER_GOOD_S)


def test_a_process_that_does_not_answer_is_let_go_on_both_channels() -> None:
    a = linked()
    assert PATIENCE_S <= say_until_accepted(a, STARTER) < PATIENCE_S + 2 * STEP_S
    assert a.peers.of(node_id("b")) == []


def test_its_links_are_dropped_then_and_not_before() -> None:
    a = linked()
    effects = []
    for number in range(12):
        effects = a.judge(STARTER, number * STEP_S)[1]
        if any(isinstance(effect, Drop) for effect in effects):
            break
    assert [e.link for e in effects if isinstance(e, Drop)] == [1, 2]
    assert number * STEP_S >= PATIENCE_S


def test_time_in_which_the_asker_stood_still_is_no_silence_of_the_asked() -> None:
    a = linked()
    ask(a, STARTER, 0.0)
    ask(a, STARTER, 60.0)
    ask(a, STARTER, 60.0 + PATIENCE_S - 2 * WAITED_PER_HELLO_S)


def test_a_process_that_comes_back_on_another_link_is_asked_anew() -> None:
    a = linked()
    ask(a, STARTER, 0.0)
    for step in range(1, 4):
        ask(a, STARTER, step * 0.4)
    a.opened(7, life_of("b", 2), None, 1.3)
    assert [type(message) for message in sent(a.judge(STARTER, 1.4)[1], 7)] == [Who]
    assert say_until_accepted(a, STARTER, 1.6) > PATIENCE_S - 2 * STEP_S


def test_an_established_process_with_the_higher_epoch_replaces_the_other_at_once() -> None:
    a = linked()
    assert a.judge(life_of("b", 5), 0.0) == (None, [])
    a.opened(3, life_of("b", 5), None, 0.0)
    assert [link.id for link in a.peers.of(node_id("b"))] == [3]


def test_an_established_process_with_the_lower_epoch_is_told_of_the_higher() -> None:
    a = linked(5)
    lower = life_of("b", 2)
    a.received(1, Here(ask(a, lower), epoch(5)), 0.1)
    refusal = judge(a, lower, 0.2)
    assert refusal is not None
    assert (refusal.reason, refusal.epoch) == (Refused.TWIN, epoch(5))


def test_a_process_that_gives_way_does_not_insist_on_its_higher_epoch() -> None:
    a = linked()
    ask(a, life_of("b", 5, yielding=True))


def test_one_that_hands_over_is_let_in_beside_the_one_that_stays_only() -> None:
    guest = life_of("b", 5, BULK, yielding=True)
    assert judge(linked(), guest) is None
    refusal = judge(node("a", "a", "b"), guest)
    assert refusal is not None
    assert refusal.reason is Refused.ASKING


# -- looking where no link leads ---------------------------------------------------------------


def test_a_process_that_is_not_linked_is_looked_for_at_its_address_first() -> None:
    a = unlinked()
    refusal, effects = a.judge(STARTER, 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.ASKING
    assert effects == [Dial("b:1", CONTROL)]
    assert a.judge(STARTER, 0.1)[1] == []  # once
    a.opened(1, life_of("b", 1), "b:1", 0.2)
    ask(a, STARTER, 0.3)


def test_nobody_there_means_that_the_starter_is_the_only_one() -> None:
    a = unlinked()
    a.judge(STARTER, 0.0)
    a.dial_failed("b:1", CONTROL, Grade.REFUSED, None, 0.1)
    assert judge(a, STARTER, 0.2) is None


def test_silence_there_is_waited_for_no_longer_than_an_answer() -> None:
    assert PATIENCE_S <= say_until_accepted(unlinked(), STARTER) < PATIENCE_S + 2 * STEP_S


def test_a_node_that_asks_back_there_is_dialled_again() -> None:
    """It has itself to find out whether we are the process that it knew."""
    a = unlinked()
    a.judge(STARTER, 0.0)
    a.dial_failed("b:1", CONTROL, Grade.REJECTED, Refusal(Refused.ASKING, ""), 0.1)
    refusal, effects = a.judge(STARTER, 0.2)
    assert refusal is not None
    assert effects == [Dial("b:1", CONTROL)]


@pytest.mark.parametrize("address", ["b:1", "c:1"])
def test_nobody_is_looked_for_where_the_starter_or_another_member_listens(address: str) -> None:
    a = node("a", "a", "b")
    a.opened(3, life_of("c", 1, address="b:1" if address == "c:1" else "c:1"), None, 0.0)
    said = life_of("b", 5, provisional=True, address=address)
    assert judge(a, said) is None


def test_an_established_process_is_accepted_where_nobody_is_linked() -> None:
    assert judge(node("a", "a", "b"), life_of("b", 5)) is None
    assert judge(node("a", "a", "b", life=9), life_of("b", 5)) is None


# -- bounds ------------------------------------------------------------------------------------


def test_beyond_the_bound_starters_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "QUESTIONS_MAX", 1)
    a = linked()
    a.opened(3, life_of("c", 2), None, 0.0)
    number = ask(a, STARTER)
    other = life_of("c", 5, provisional=True)
    refusal, effects = a.judge(other, 0.1)
    assert refusal is not None
    assert (refusal.reason, effects) == (Refused.ASKING, [])
    a.received(1, Here(number, epoch(2)), 0.2)
    assert judge(a, STARTER, 0.3) is not None  # told; its place is free
    assert [type(message) for message in sent(a.judge(other, 0.4)[1], 3)] == [Who]


def test_a_question_that_nobody_asks_any_more_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "QUESTIONS_MAX", 1)
    a = linked()
    a.opened(3, life_of("c", 2), None, 0.0)
    ask(a, STARTER)
    other = life_of("c", 5, provisional=True)
    effects = a.judge(other, QUESTION_KEPT_S)[1]
    assert [type(message) for message in sent(effects, 3)] == [Who]
