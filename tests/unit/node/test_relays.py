"""Pings for others: who is answered what, and when."""

from nodes import node_id, sent

from gcounterd.node.effects import Effect
from gcounterd.node.messages import Ack, Message, Nack
from gcounterd.node.relays import RELAYED_MAX, Relays

ASKER, OWN, ASKED = 7, 100, 5


def relays() -> Relays:
    """Return relays with one ping to b under way, begun at 10 s, for the link ASKER."""
    made = Relays(nack_after=0.4, keep=1.0)
    made.take(OWN, ASKER, ASKED, node_id("b"), 10.0)
    return made


def told(effects: list[Effect] | None) -> list[Message]:
    assert effects is not None
    return sent(effects, ASKER)


def test_an_answer_is_handed_on_under_the_number_that_was_asked() -> None:
    r = relays()
    assert told(r.acked(OWN, node_id("b"))) == [Ack(ASKED)]
    assert r.acked(OWN, node_id("b")) is None  # once
    assert r.next_wake() == float("inf")


def test_only_the_member_that_was_asked_for_can_answer() -> None:
    r = relays()
    assert r.acked(OWN, node_id("c")) is None
    assert r.acked(OWN + 1, node_id("b")) is None
    assert told(r.acked(OWN, node_id("b"))) == [Ack(ASKED)]


def test_without_an_answer_the_asker_is_told_early_enough_and_once() -> None:
    r = relays()
    assert r.next_wake() == 10.4
    assert r.wake(10.39) == []
    assert told(r.wake(10.4)) == [Nack(ASKED, refused=False)]
    assert r.wake(10.5) == []


def test_an_answer_that_comes_after_the_nack_is_still_handed_on_for_a_while() -> None:
    r = relays()
    r.wake(10.4)
    assert told(r.acked(OWN, node_id("b"))) == [Ack(ASKED)]
    r = relays()
    r.wake(10.4)
    assert r.next_wake() == 11.0
    r.wake(11.0)
    assert r.acked(OWN, node_id("b")) is None
    assert r.next_wake() == float("inf")


def test_a_dial_that_fails_is_said_at_once_with_what_was_seen() -> None:
    assert told(relays().unreached(OWN, refused=True)) == [Nack(ASKED, refused=True)]
    assert told(relays().unreached(OWN, refused=False)) == [Nack(ASKED, refused=False)]
    assert relays().unreached(OWN + 1, refused=True) is None


def test_nobody_is_told_no_twice() -> None:
    r = relays()
    r.wake(10.4)
    assert r.unreached(OWN, refused=True) == []
    assert r.acked(OWN, node_id("b")) is None


def test_only_so_many_are_taken_on_and_each_frees_its_place() -> None:
    r = relays()
    for number in range(1, RELAYED_MAX):
        assert not r.full
        r.take(OWN + number, ASKER, number, node_id("c"), 10.0)
    assert r.full
    r.acked(OWN, node_id("b"))
    assert not r.full
    assert len(r.wake(20.0)) == RELAYED_MAX - 1  # long overdue: each said, and forgotten
    assert r.next_wake() == float("inf")
