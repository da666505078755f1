"""What a process knows of itself among those of its node: established, higher, lower, redrawn."""

from __future__ import annotations

import attrs
import pytest
from nodes import commit, entry, hello, judge, node, sent
from twin_hellos import BULK, CONTROL, epoch, life_of

from gcounterd.errors import ClientError
from gcounterd.ids import LAST_MS, Epoch, column_id
from gcounterd.members.claims import Claim, Liveness
from gcounterd.node.effects import Dial, Effect, Exit, Notice, Redraw
from gcounterd.node.grades import Grade
from gcounterd.node.messages import Digest, Gossip, Here, Refusal, Refused, Who
from gcounterd.node.node import Node

TWIN = Refusal(Refused.TWIN, "another process", "a:9", epoch(9))
LOWER = attrs.evolve(TWIN, epoch=epoch(1))


def refuse(process: Node, refusal: Refusal, now: float = 0.1) -> list[Effect]:
    """Let a dial of "b:1" end in a refusal."""
    process.dialler.start("b:1", now)
    return process.dial_failed("b:1", CONTROL, Grade.REJECTED, refusal, now)


def established(letter: str = "a", life: int = 5) -> Node:
    """Return a process that has counted."""
    made = node(letter, letter, "b", life=life)
    made.add(b"x", 1)
    commit(made)
    return made


def redraws(effects: list[Effect]) -> list[Epoch]:
    return [effect.above for effect in effects if isinstance(effect, Redraw)]


# -- provisional and established ---------------------------------------------------------------


def test_a_process_is_provisional_until_it_has_counted() -> None:
    process = node("a", "a", "b")
    assert process.hello(CONTROL).provisional
    process.add(b"x", 1)
    assert process.hello(CONTROL).provisional
    commit(process)
    assert not process.hello(CONTROL).provisional


def test_a_process_whose_dial_was_accepted_is_established() -> None:
    process = node("a", "a", "b")
    process.opened(1, hello("b", CONTROL), "b:1", 0.0)
    assert not process.hello(CONTROL).provisional


def test_a_process_that_was_dialled_is_established_by_what_the_dialler_says() -> None:
    """Until then the dialler may refuse it."""
    process = node("a", "a", "b")
    process.opened(1, hello("b", CONTROL), None, 0.0)
    assert process.hello(CONTROL).provisional
    process.received(1, Who(1), 0.1)
    assert not process.hello(CONTROL).provisional


def test_only_an_established_process_says_that_it_is_there() -> None:
    process = node("a", "a", "b")
    process.opened(1, hello("b", BULK), None, 0.0)
    process.opened(2, hello("b", CONTROL), None, 0.0)
    assert process.twins.answer(process.peers.get(2), Who(3), 0.0) == []
    assert sent(established_at(2).received(2, Who(3), 0.0), 2) == [Here(3, epoch(5))]


def established_at(link: int) -> Node:
    process = established()
    process.opened(link, hello("b", CONTROL), None, 0.0)
    return process


# -- being told --------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [TWIN, LOWER])
def test_a_provisional_process_that_is_told_of_a_twin_goes(refusal: Refusal) -> None:
    effects = refuse(node("a", "a", "b", life=5), refusal)
    (end,) = [effect for effect in effects if isinstance(effect, Exit)]
    assert end.code == 4
    assert "another process with this node's id runs at a:9" in end.text


def test_of_established_ones_only_the_lower_goes() -> None:
    process = established()
    refuse(process, LOWER)
    assert not process.twins.yielding
    process.add(b"x", 1)
    refuse(process, TWIN)
    assert process.twins.yielding
    with pytest.raises(ClientError) as refused:
        process.add(b"x", 1)
    assert (refused.value.code, refused.value.definite) == ("twin", True)
    assert "a:9" in process.twins.reasons()[0]


def test_a_refusal_without_an_epoch_sends_no_established_process_away() -> None:
    process = established()
    refuse(process, attrs.evolve(TWIN, epoch=None))
    assert not process.twins.yielding


def test_what_a_dial_says_after_this_process_stood_still_is_not_believed() -> None:
    process = node("a", "a", "b")
    process.dialler.start("b:1", 0.0)
    effects = process.dial_failed("b:1", CONTROL, Grade.REJECTED, TWIN, 60.0)
    assert not any(isinstance(effect, Exit) for effect in effects)
    assert not process.twins.yielding


def test_who_is_asked_to_try_again_does_so_soon_however_often() -> None:
    process = node("a", "a", "b")
    for number in range(10):
        now = float(number)
        process.dialler.start("b:1", now)
        again = Refusal(Refused.ASKING, "")
        process.dial_failed("b:1", CONTROL, Grade.REJECTED, again, now)
        assert process.next_wake(now) <= now + 0.2


# -- meeting the twin --------------------------------------------------------------------------


def test_a_twin_that_dials_an_established_process_is_told_by_it() -> None:
    refusal = judge(established(), life_of("a", 2, provisional=True))
    assert refusal is not None
    assert (refusal.reason, refusal.address, refusal.epoch) == (Refused.TWIN, "a:1", epoch(5))


def test_a_provisional_process_tells_nobody_and_asks_back() -> None:
    process = node("a", "a", "b")
    refusal, effects = process.judge(life_of("a", 2), 0.0)
    assert refusal is not None
    assert refusal.reason is Refused.ASKING
    assert effects == [Dial("a:2", CONTROL)]


def test_a_process_that_meets_a_higher_one_asks_it() -> None:
    process = established()
    refusal, effects = process.judge(life_of("a", 9), 0.0)
    assert refusal is not None
    assert refusal.epoch == epoch(5)  # which sends the higher one nowhere
    assert Dial("a:9", CONTROL) in effects
    assert process.judge(life_of("a", 2), 0.0)[1] == []


def test_a_process_that_gives_way_says_neither_yes_nor_who() -> None:
    process = established()
    refuse(process, TWIN)
    process.opened(2, hello("b", CONTROL), None, 0.0)
    assert process.received(2, Who(3), 0.1) == []
    refusal = judge(process, life_of("a", 2, provisional=True))
    assert refusal is not None
    assert refusal.reason is Refused.ASKING


# -- a higher epoch that does not answer -------------------------------------------------------


def tell(process: Node, life: int, now: float) -> list[Effect]:
    """Let the roster say that a later life of this node was at another address."""
    later = attrs.evolve(entry("a", life=life), address=f"a:{life}")
    process.membership.take(process.peers.get(1), (later,))
    return commit(process, now)


def told(life: int = 9) -> Node:
    """Return a process that was just told of a later life."""
    process = established()
    process.opened(1, hello("b", BULK), "b:1", 0.0)
    process.opened(2, hello("b", CONTROL), "b:1", 0.0)
    effects = tell(process, life, 0.0)
    assert Dial("a:9", CONTROL) in effects
    assert any(isinstance(effect, Notice) and effect.name == "higher_epoch" for effect in effects)
    return process


def test_a_higher_epoch_that_does_not_answer_for_two_probe_intervals_is_gone_above() -> None:
    process = told()
    assert redraws(process.wake(1.9)) == []
    assert process.next_wake(1.9) <= 2.0
    assert redraws(process.wake(2.0)) == [epoch(9)]


def test_as_long_as_no_epoch_could_be_written_down_it_is_asked_for_ever_more_seldom() -> None:
    process = told()
    due = [now / 10 for now in range(400) if redraws(process.wake(now / 10))]
    assert due == [2.0, 3.0, 5.0, 9.0, 17.0, 33.0]


def test_a_twin_that_answers_in_time_is_no_reason_to_go_above_it() -> None:
    process = told()
    refuse(process, TWIN, 1.0)
    assert redraws(process.wake(60.0)) == []


def test_a_higher_epoch_that_only_a_rumour_tells_of_is_gone_above_too() -> None:
    process = established()
    process.opened(1, hello("b", BULK), "b:1", 0.0)
    process.opened(2, hello("b", CONTROL), "b:1", 0.0)
    claim = Claim(process.config.node, epoch(9), 0, Liveness.DEAD)
    for now in (0.0, 1.0):
        process.received(2, Gossip((claim,)), now)
        assert redraws(process.wake(now + 0.9)) == []
    assert redraws(process.wake(2.0)) == [epoch(9)]


def test_a_higher_epoch_that_a_rumour_told_of_first_is_asked_when_its_address_is_known() -> None:
    process = established()
    process.opened(1, hello("b", BULK), "b:1", 0.0)
    process.opened(2, hello("b", CONTROL), "b:1", 0.0)
    claim = Claim(process.config.node, epoch(9), 0, Liveness.ALIVE)
    process.received(2, Gossip((claim,)), 0.0)
    assert Dial("a:9", CONTROL) in tell(process, 9, 1.0)
    assert redraws(process.wake(2.9)) == []  # it has time to answer
    assert redraws(process.wake(3.0)) == [epoch(9)]


def test_an_epoch_that_nobody_can_go_above_is_passed_over() -> None:
    """As a hostile or confused member may tell it."""
    process = established()
    process.opened(1, hello("b", BULK), "b:1", 0.0)
    last = Epoch(LAST_MS.to_bytes(6, "big") + bytes(10))
    later = attrs.evolve(entry("a"), epoch=last)
    process.membership.take(process.peers.get(1), (later,))
    commit(process)
    assert redraws(process.wake(60.0)) == []


# -- a new epoch -------------------------------------------------------------------------------


def test_a_process_goes_on_in_a_new_epoch_with_a_new_column() -> None:
    process = told()
    process.wake(2.0)
    process.add(b"x", 10)  # it waits, and goes to the new column
    effects = process.reopen(epoch(10), 2.1)
    assert process.hello(CONTROL).epoch == epoch(10)
    assert process.peers.all() == []  # they are opened again, with the new hello
    assert Dial("b:1", CONTROL) in effects
    commit(process, 2.2)
    old, new = (column_id(process.config.node, epoch(life)) for life in (5, 10))
    heads = process.counters.all_heads()
    assert (heads[old], heads[new]) == (1, 1)
    commit(process, 2.3)
    assert process.counters.heads() == {new: 1}  # the one before is closed
    assert process.counters.value(b"x") == 11
    assert process.counters.own_count(b"x") == 10
    mine = process.roster.get(process.config.node)
    assert mine is not None
    assert (mine.epoch, mine.address) == (epoch(10), "a:1")
    assert process.detector.me.epoch == epoch(10)
    assert redraws(process.wake(60.0)) == []


def test_a_still_higher_one_told_meanwhile_is_gone_above_later() -> None:
    process = told()
    process.wake(2.0)
    tell(process, 20, 2.05)
    process.reopen(epoch(10), 2.1)
    assert redraws(process.wake(4.0)) == []
    assert redraws(process.wake(4.1)) == [epoch(20)]


def test_what_peers_hold_of_the_column_before_is_level_with_us() -> None:
    process = told()
    process.reopen(epoch(10), 2.1)
    process.opened(3, hello("b", BULK), "b:1", 2.2)
    old = column_id(process.config.node, epoch(5))
    assert process.received(3, Digest({old: 1}, whole=False), 2.3) == []
