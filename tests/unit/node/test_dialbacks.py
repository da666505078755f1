"""Newcomers are dialled where they say that they can be reached, before anything is exchanged."""

import pytest
from nodes import hello, judge, node

from gcounterd.node.effects import Dial, Drop, Exit, Notice
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Channel, Refusal, Refused

CONTROL, BULK = Channel.CONTROL, Channel.BULK


def test_the_member_opens_bulk_to_a_newcomer_and_the_newcomer_leaves_it_to_the_member() -> None:
    member, newcomer = node("a", "a"), node("b", seeds=("a:1",))
    effects = member.opened(1, hello("b", CONTROL, joining=True), None, 0.0)
    assert Dial("b:1", BULK) in effects
    effects = newcomer.opened(1, hello("a", CONTROL), "a:1", 0.0)
    assert Dial("a:1", BULK) not in [*effects, *newcomer.wake(60.0)]


@pytest.mark.parametrize("grade", [Grade.REFUSED, Grade.TIMEOUT, Grade.NAME])
def test_a_newcomer_that_cannot_be_reached_is_let_go_told_why_and_tried_again(grade: Grade) -> None:
    member = node("a", "a")
    wrong = hello("b", CONTROL, joining=True, address="10.0.0.9:1")
    member.opened(1, wrong, None, 0.0)
    effects = member.dial_failed("10.0.0.9:1", BULK, grade, None, 0.1)
    assert Drop(1, "unreachable") in effects
    refusal = judge(member, wrong, 0.2)
    assert refusal is not None
    assert refusal.reason is Refused.UNREACHABLE
    assert "10.0.0.9:1" in refusal.text
    assert "--advertise" in refusal.text
    assert judge(member, wrong, 0.2) is None


def test_trouble_of_our_own_is_not_held_against_a_newcomer() -> None:
    member = node("a", "a")
    member.opened(1, hello("b", CONTROL, joining=True), None, 0.0)
    effects = member.dial_failed("b:1", BULK, Grade.LOCAL, None, 0.1)
    assert not [effect for effect in effects if isinstance(effect, Drop)]
    assert judge(member, hello("b", CONTROL, joining=True), 0.2) is None


def test_a_newcomer_goes_on_and_says_why_it_is_not_let_in() -> None:
    newcomer = node("b", seeds=("a:1",))
    refusal = Refusal(Refused.UNREACHABLE, "you cannot be reached at b:1")
    effects = newcomer.dial_failed("a:1", CONTROL, Grade.REJECTED, refusal, 0.0)
    assert not [effect for effect in effects if isinstance(effect, Exit)]
    told = {"address": "a:1", "reason": "unreachable", "text": refusal.text}
    assert Notice("refused", told) in effects
    assert "you cannot be reached at b:1" in newcomer.joining.reasons()[0]
