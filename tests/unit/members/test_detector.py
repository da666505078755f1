"""Probing, doubting, telling: what the detector asks for, and what it makes of what comes back."""

import pytest
from detecting import (
    ALIVE,
    DEAD,
    LEFT,
    REFUSED,
    SILENT,
    SUSPECT,
    Lone,
    claim,
    epoch,
    letter,
)
from nodes import node_id

from gcounterd.members.actions import Action, AskRelays, Contact, Tell
from gcounterd.members.claims import Claim, Evidence
from gcounterd.members.detector import PROBES_MAX, TRIES_MAX
from gcounterd.members.timing import LAN, PROFILES, Timing

OTHERS = "bcdefghij"


def contacted(actions: list[Action]) -> list[str]:
    return [letter(each.target) for each in actions if isinstance(each, Contact)]


def asked(actions: list[Action]) -> list[AskRelays]:
    return [each for each in actions if isinstance(each, AskRelays)]


def told(actions: list[Action]) -> list[tuple[str, Claim]]:
    return [
        (letter(target), said)
        for each in actions
        if isinstance(each, Tell)
        for target in each.targets
        for said in each.claims
    ]


def seen(a: Lone, of: str) -> Evidence:
    """Return what node a itself accuses a member of."""
    (mine,) = [e for e in a.detector.view(node_id(of)).accusations if letter(e.accuser) == "a"]
    return mine.evidence


# -- probing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("timing", PROFILES.values(), ids=PROFILES)
def test_one_member_is_probed_in_each_interval_whatever_the_size(timing: Timing) -> None:
    for others in ("b", OTHERS):
        a = Lone(others, timing)
        probes = contacted(a.until(100 * timing.interval))
        assert 99 <= len(probes) <= 101
        assert set(probes) == set(others)


def test_no_two_probes_of_a_member_are_further_apart_than_2n_minus_1_intervals() -> None:
    a, last, gaps = Lone(OTHERS), dict.fromkeys(OTHERS, 0.0), []
    while a.now < 500:
        for each in contacted(a.wake()):
            gaps.append(a.now - last[each])
            last[each] = a.now
    assert max(gaps) <= (2 * len(OTHERS) - 1) * LAN.interval + 0.001


def test_a_member_that_answers_is_nobodys_business() -> None:
    a = Lone(OTHERS)
    assert asked(a.until(60.0)) == []
    assert a.events() == []
    assert a.detector.health == 0
    assert a.detector.tally["acked"] >= 59


def test_who_does_not_answer_in_time_is_asked_after_through_some_who_live_and_are_connected() -> (
    None
):
    a = Lone(OTHERS, silent="b")
    a.hear(claim("c", DEAD), claim("d", LEFT), claim("e", SUSPECT))
    del a.linked[node_id("f")]
    begun = a.next_probe()
    started = a.now
    assert set(a.asked_for(begun)) < set("ghij")
    assert len(a.asked_for(a.next_probe())) == LAN.relays
    assert a.now >= started + LAN.timeout


def test_an_answer_by_way_of_another_is_an_answer() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    relay, *_ = a.asked_for(probe)
    a.ack(probe, source=relay)
    a.until(a.now + LAN.interval)
    assert a.events() == []
    assert a.detector.tally["indirect"] == 1


def test_who_is_reached_by_nobody_is_suspected_at_the_end_of_the_round_and_all_are_told() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    begun = a.now
    relays = a.asked_for(probe)
    for relay in relays:
        a.nack(probe, relay)
    done = a.until(begun + LAN.interval - 0.01)
    assert a.events() == []
    done = a.until(begun + LAN.interval + 0.01)
    assert a.events() == [("suspect", "b")]
    assert seen(a, "b") is SILENT
    (mine,) = a.detector.view(node_id("b")).accusations
    assert mine.path == "direct: silent; " + "; ".join(f"{each}: no answer" for each in relays)
    accused = claim("b", SUSPECT, by="a")
    first, *others = told(done)
    assert first == ("b", accused)  # before anyone else
    assert len({to for to, said in others if said == accused}) >= LAN.fan_out  # in the same step


def test_a_probe_ends_with_its_round_and_answers_that_come_later_are_counted_and_no_more() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    a.until(a.now + LAN.interval + 0.01)
    assert a.liveness("b") is SUSPECT
    assert a.ack(probe) == []
    assert a.liveness("b") is SUSPECT  # only its own word ends a suspicion
    assert a.detector.tally["late"] == 1


def test_a_suspect_is_probed_on_and_told_each_time_what_is_said_of_it() -> None:
    a = Lone("bc", silent="b")
    a.hear(claim("b", SUSPECT, by="c"))
    assert "b" in contacted(a.until(2.5))
    for _ in range(50):
        a.detector.piggyback(node_id("c"))  # until the rumour has been told often enough
    assert a.detector.piggyback(node_id("c")) == ()
    assert a.detector.piggyback(node_id("b")) == (claim("b", SUSPECT, by="c"),)


@pytest.mark.parametrize("said", [DEAD, LEFT])
def test_who_is_dead_or_gone_is_not_probed_and_comes_back_by_its_own_word(said: object) -> None:
    a = Lone("bc")
    a.hear(claim("b", said))
    assert set(contacted(a.until(30.0))) == {"c"}
    a.hear(claim("b", ALIVE, 1), source="b")
    assert set(contacted(a.until(60.0))) == {"b", "c"}
    assert a.events("back") == [("back", "b")]


def test_who_is_removed_is_forgotten_in_the_middle_of_its_probe() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    a.detector.forget(node_id("b"))
    a.ack(probe)
    assert "b" not in contacted(a.until(60.0))
    assert a.detector.view(node_id("b")) is None
    assert a.events() == []


# -- evidence -----------------------------------------------------------------------------------


def test_a_port_that_refuses_is_asked_after_at_once_and_suspected_when_nobody_says_else() -> None:
    a = Lone(OTHERS)
    a.until(0.1)
    (ask,) = asked(a.note(a.detector.refused(node_id("b"), a.now)))
    assert len(ask.relays) == LAN.relays
    probe = Contact(ask.number, ask.target)
    first, *others = [letter(each) for each in ask.relays]
    a.nack(probe, first, refused=True)
    assert a.events() == []
    for relay in others:
        a.nack(probe, relay)
    assert a.events() == [("suspect", "b")]  # no round has to end
    assert seen(a, "b") is REFUSED
    assert a.detector.tally["refused"] == 1


def test_one_relay_that_reaches_it_outweighs_a_port_that_refuses_us() -> None:
    a = Lone(OTHERS)
    (ask,) = asked(a.detector.refused(node_id("b"), 0.0))
    a.ack(Contact(ask.number, ask.target), source=letter(ask.relays[0]))
    a.until(LAN.interval)
    assert a.events() == []


def test_where_nobody_else_is_there_a_refusing_port_is_judged_at_once() -> None:
    a = Lone("b")
    a.note(a.detector.refused(node_id("b"), 0.0))
    assert a.events() == [("suspect", "b")]
    assert a.dies_at("b") == pytest.approx(LAN.refused_after)
    assert a.detector.health == 0  # a reset is no sign that we are slow


def test_a_port_that_refuses_again_and_again_is_one_accusation() -> None:
    a = Lone("bc", silent="b")
    del a.linked[node_id("c")]
    for _ in range(100):
        a.note(a.detector.refused(node_id("b"), a.now))
    assert a.accusers("b") == "a"
    assert a.detector.tally["suspicions_raised"] == 1
    assert a.detector.tally["refused"] == 1


def test_one_who_was_silent_and_then_refuses_is_accused_of_that_as_well() -> None:
    a = Lone("bc", silent="b")
    del a.linked[node_id("c")]
    a.next_probe()
    a.until(a.now + LAN.interval + 0.01)
    assert seen(a, "b") is SILENT
    a.until(a.now + LAN.interval / 2)  # nothing under way
    a.note(a.detector.refused(node_id("b"), a.now))
    a.until(a.now + LAN.interval)
    assert seen(a, "b") is REFUSED


@pytest.mark.parametrize("asked_already", [False, True])
def test_trouble_of_our_own_accuses_nobody_and_costs_our_own_health(*, asked_already: bool) -> None:
    """Rule 4 of SWIM over TCP: no descriptors and no route say nothing about the peer."""
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    if asked_already:
        a.asked_for(probe)
    a.note(a.detector.unreached(probe.number, a.now, local=True))
    assert a.detector.health == 1
    a.silent.clear()
    a.until(30.0)
    assert a.events() == []
    assert a.detector.tally["local"] == 1


def test_a_dial_that_fails_before_the_timeout_asks_others_without_waiting_for_it() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    (ask,) = asked(a.detector.unreached(probe.number, a.now))
    assert ask.number == probe.number
    for relay in ask.relays:
        a.nack(probe, letter(relay))
    assert a.events() == []  # silence is waited for until the end of the round
    a.until(a.now + LAN.interval)
    assert a.events() == [("suspect", "b")]


def test_a_connection_that_breaks_is_looked_into_at_once() -> None:
    a = Lone(OTHERS)
    assert contacted(a.detector.hint(node_id("b"), 0.0)) == ["b"]
    assert contacted(a.detector.hint(node_id("b"), 0.0)) == ["b"]  # and once more, in its probe


def test_connections_that_break_again_and_again_are_not_dialled_without_end() -> None:
    a = Lone(OTHERS)
    done = [action for _ in range(1000) for action in a.detector.hint(node_id("b"), 0.0)]
    assert contacted(done) == ["b"] * TRIES_MAX
    assert len(asked(done)) == 1


def test_a_connection_to_one_who_is_dead_or_unknown_may_break() -> None:
    a = Lone("bc")
    a.hear(claim("b", DEAD))
    for each in "bx":
        assert a.detector.hint(node_id(each), 0.0) == []
        assert a.detector.refused(node_id(each), 0.0) == []


def test_when_many_connections_break_only_some_are_looked_into_at_a_time() -> None:
    many = "".join(chr(ord("b") + number) for number in range(20))
    a = Lone(many, silent=many)
    begun = [a.detector.hint(node_id(each), 0.0) for each in many]
    assert len(contacted([action for actions in begun for action in actions])) == PROBES_MAX
    a.silent.clear()
    later = contacted(a.until(LAN.interval + 0.5))
    assert set(later) >= set(many[PROBES_MAX:])


def test_a_new_member_is_joined_once_and_then_probed_like_the_others() -> None:
    a = Lone("b")
    for _ in range(3):
        a.note(a.detector.know(node_id("x"), epoch(), 0.0, joined=True))
    a.note(a.detector.know(node_id("a"), epoch(), 0.0, joined=True))
    assert a.events() == [("joined", "x")]
    assert "x" in contacted(a.until(2.5))
