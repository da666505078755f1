"""Whether it is ourselves: local health, and time in which we stood still."""

import attrs
import pytest
from detecting import (
    ALIVE,
    DEAD,
    SUSPECT,
    Lone,
    claim,
    letter,
)
from nodes import node_id

from gcounterd.members.actions import Action, AskRelays, Contact, Tell
from gcounterd.members.claims import Claim, Evidence
from gcounterd.members.timing import LAN

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


# -- whether it is ourselves --------------------------------------------------------------------


def test_nacks_in_time_leave_the_local_health_as_it_is() -> None:
    """S8: a dead member is no sign that the prober is slow."""
    a = Lone(OTHERS, silent="b")
    while a.liveness("b") is not DEAD:
        probe = a.next_probe()
        for relay in a.asked_for(probe):
            a.nack(probe, relay)
        a.until(a.now + LAN.interval)
        assert a.detector.health == 0
    assert a.detector.tally["nacks_missing"] == 0


def test_each_missing_nack_costs_local_health_and_each_answer_gives_some_back() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    relays = a.asked_for(probe)
    a.nack(probe, relays[0])
    a.silent = dict.fromkeys(a.linked, True)
    while a.liveness("b") is ALIVE:
        a.wake()
    assert a.detector.health == len(relays) - 1
    assert a.detector.tally["nacks_missing"] == len(relays) - 1
    a.silent.clear()
    a.until(a.now + 60)
    assert a.detector.health == 0


def test_who_doubts_itself_probes_less_often_and_waits_longer() -> None:
    a = Lone(OTHERS)
    for incarnation in range(3):
        a.hear(claim("a", SUSPECT, incarnation))
    assert a.detector.health == 3
    a.silent = {node_id(each): True for each in OTHERS}
    probe = a.next_probe()
    begun = a.now
    a.asked_for(probe)
    assert a.now - begun == pytest.approx(4 * LAN.timeout)
    while not contacted(a.wake()):
        pass
    assert a.now - begun == pytest.approx(4 * LAN.interval)


def test_with_nobody_to_ask_silence_may_be_our_own_fault() -> None:
    a = Lone("b", silent="b")
    a.next_probe()
    a.until(a.now + LAN.interval + 0.01)
    assert (a.liveness("b"), a.detector.health) == (SUSPECT, 1)


def test_answers_and_nacks_that_nobody_asked_for_change_nothing() -> None:
    a = Lone(OTHERS, silent="b")
    probe = a.next_probe()
    relays = a.asked_for(probe)
    stranger = next(each for each in OTHERS if each not in relays and each != "b")
    for number in (0, probe.number + 1, 2**63 - 1):
        for by in OTHERS:
            assert a.detector.acked(number, node_id(by), a.now) == []
            assert a.detector.nacked(number, node_id(by), a.now, refused=True) == []
    a.ack(probe, source=stranger)
    a.nack(probe, stranger, refused=True)
    assert a.detector.tally["late"] == 2 * 3 * len(OTHERS) + 2
    while a.liveness("b") is ALIVE:
        a.wake()
    assert a.detector.tally["nacks_missing"] == len(relays)


# -- standing still -----------------------------------------------------------------------------


def suspecting() -> Lone:
    """Return a detector with a probe of b under way, and c suspected by two and due in a moment."""
    a = Lone(OTHERS)
    a.hear(claim("c", SUSPECT, by="d"), claim("c", SUSPECT, by="e"))
    a.until(LAN.shortest(10) - 0.01)
    a.note(a.detector.hint(node_id("b"), a.now))
    a.detector.next_wake(a.now)
    return a


@pytest.mark.parametrize("seconds", [1.0, 10.0, 3600.0])
def test_after_a_pause_no_timer_fires_and_what_came_meanwhile_is_read_first(seconds: float) -> None:
    """S3: whichever call comes first."""
    a = suspecting()
    a.now += seconds
    done = a.note(a.detector.wake(a.now))
    assert a.events("slow", "dead", "suspect") == [("suspect", "c"), ("slow", "")]
    assert a.detector.health == 1
    assert seconds - 1 < done[0].seconds <= seconds
    a.detector.next_wake(a.now)
    a.hear(claim("c", ALIVE, 1), source="c")  # it had refuted long ago
    a.until(a.now + 0.9)
    assert a.events("dead") == []
    assert a.liveness("b") is ALIVE  # its probe has its time
    a.until(a.now + 60)
    assert ("dead", "c") not in a.events()


def test_after_a_pause_who_is_really_dead_is_found_out_all_the_same() -> None:
    a = suspecting()
    a.now += 60.0
    resumed = a.now
    assert a.dies_at("c") == pytest.approx(resumed + LAN.interval, abs=0.3)


def test_a_pause_that_other_business_notices_first_is_no_less_a_pause() -> None:
    """The daemon asks for the next wake-up after each input, also of those not for us."""
    a = suspecting()
    a.now += 60.0
    a.detector.next_wake(a.now)
    a.note(a.detector.wake(a.now))
    assert a.events("slow", "dead") == [("slow", "")]


def test_a_confirmation_read_after_a_pause_kills_nobody_at_once() -> None:
    a = Lone(OTHERS)
    a.hear(claim("c", SUSPECT, by="d"))
    a.until(4.0)
    a.now += 60.0
    a.hear(claim("c", SUSPECT, by="e"))  # by two, it would have been due a second ago
    a.until(a.now + LAN.interval / 2)
    assert a.liveness("c") is SUSPECT
    a.hear(claim("c", ALIVE, 1))
    assert a.liveness("c") is ALIVE


def test_a_loop_that_is_late_all_the_time_still_finds_out_who_is_dead() -> None:
    a = Lone(OTHERS, silent="c")
    while a.liveness("c") is not DEAD:
        a.now = max(a.now, a.detector.next_wake(a.now)) + 1.5 * LAN.stall
        for action in a.note(a.detector.wake(a.now)):
            if isinstance(action, Contact) and action.target not in a.silent:
                a.ack(action)
        assert a.now < 600
    assert a.events("dead") == [("dead", "c")]


def test_being_a_little_late_means_nothing() -> None:
    a = Lone(OTHERS)
    for _ in range(100):
        a.now = max(a.now, a.detector.next_wake(a.now)) + 0.9 * LAN.stall
        for action in a.note(a.detector.wake(a.now)):
            if isinstance(action, Contact):
                a.ack(action)
    assert a.events() == []
    assert a.detector.health == 0


def test_a_probe_of_ones_own_making_needs_no_health_to_be_switched_off() -> None:
    a = Lone("b", attrs.evolve(LAN, health_max=0), silent="b")
    a.until(2.5)
    assert a.detector.health == 0
    assert a.liveness("b") is SUSPECT
