"""How news travels: rumours of one detector, and what several make of it."""

from itertools import pairwise

import pytest
from detecting import (
    ALIVE,
    DEAD,
    LEFT,
    SUSPECT,
    Lone,
    Mesh,
    claim,
    letter,
)
from nodes import node_id

from gcounterd.members.actions import Action, AskRelays, Contact, Tell
from gcounterd.members.claims import Claim, Evidence
from gcounterd.members.detector import PIGGYBACK_MAX
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


# -- telling ------------------------------------------------------------------------------------


def test_news_is_told_for_the_first_time_at_once_and_then_at_its_pace() -> None:
    a = Lone(OTHERS)
    a.until(10.0)
    a.hear(claim("c", SUSPECT, by="d"))
    assert a.detector.next_wake(a.now) == a.now
    moments = []
    while a.detector.telling:
        if told(a.wake()):
            moments.append(a.now)
    steps = [later - before for before, later in pairwise(moments)]
    assert min(steps) == pytest.approx(LAN.gossip_every)


def test_a_rumour_is_told_by_each_node_exactly_as_often_as_the_limit_says() -> None:
    a = Lone(OTHERS)
    a.hear(claim("c", ALIVE, 1), source="c")
    times = len([said for _, said in told(a.until(10.0)) if said == claim("c", ALIVE, 1)])
    assert times == LAN.tellings(10)
    assert a.detector.telling == 0


def test_rumours_are_not_told_to_those_who_are_dead_or_not_connected() -> None:
    a = Lone("bcd")
    a.hear(claim("b", DEAD, 3))
    del a.linked[node_id("c")]
    a.hear(claim("d", ALIVE, 1))
    assert {to for to, _ in told(a.until(10.0))} <= {"d"}


def test_a_ping_carries_what_is_said_of_its_target_first_and_only_so_much() -> None:
    a = Lone(OTHERS)
    a.hear(*[claim(each, SUSPECT, 1) for each in OTHERS])
    carried = a.detector.piggyback(node_id("j"))
    assert carried[0] == claim("j", SUSPECT, 1)
    assert len(carried) == PIGGYBACK_MAX


def test_with_nobody_connected_a_rumour_waits_without_haste() -> None:
    a = Lone("bc")
    a.linked.clear()
    a.hear(claim("c", ALIVE, 1))
    wakes = 0
    while a.now < 20.0:
        a.wake()
        wakes += 1
    assert wakes < 100
    assert a.detector.telling == 1


# -- several ------------------------------------------------------------------------------------


def test_a_crash_is_found_by_all_and_the_last_knows_soon_after_the_first() -> None:
    mesh = Mesh("abcdefghij")
    mesh.run(5.0)
    crashed = mesh.now
    mesh.run(25.0, deaf="j")
    deaths = [(at, by) for at, by, event, of in mesh.happened if (event, of) == ("dead", "j")]
    assert len(deaths) == 9
    first, last = min(deaths)[0], max(deaths)[0]
    assert last - first <= 0.25
    assert first - crashed > LAN.shortest(10)
    assert all(detector.health == 0 for name, detector in mesh.detectors.items() if name != "j")


def test_one_that_was_deaf_for_long_is_taken_back_by_all_and_kills_nobody() -> None:
    mesh = Mesh("abcdef")
    mesh.run(5.0)
    mesh.run(60.0, deaf="f")
    assert mesh.beliefs("f") == dict.fromkeys("abcde", DEAD) | {"f": ALIVE}
    mesh.run(LAN.interval)
    for each in "abcde":
        mesh.greet("f", each)
    mesh.run(2.0)
    assert mesh.all_alive()
    deaths = {of for _, _, event, of in mesh.happened if event == "dead"}
    assert deaths == {"f"}


def test_two_halves_that_buried_each_other_under_higher_incarnations_come_together() -> None:
    """P3: each refutes first, and no third one kills it again."""
    mesh = Mesh("abcdef")
    mesh.cut = {(x, y): True for x in "abc" for y in "def"}
    mesh.cut |= {(y, x): True for x, y in mesh.cut}
    for incarnation in range(3):
        for name, others in (("a", "def"), ("d", "abc")):
            forged = [claim(each, DEAD, 5 + incarnation, by=name) for each in others]
            mesh.perform(name, mesh.detectors[name].heard(forged, node_id(name), mesh.now))
    mesh.run(40.0)
    assert set(mesh.beliefs("d").values()) == {ALIVE, DEAD}
    mesh.cut.clear()
    mesh.greet("a", "d")
    mesh.greet("b", "e")
    mesh.greet("c", "f")
    mesh.run(5.0)
    for one in "abc":
        for other in "def":
            mesh.compare(one, other)
    mesh.run(5.0)
    assert mesh.all_alive()


def test_leaving_is_believed_by_all_and_nobody_is_alarmed() -> None:
    mesh = Mesh("abcdef")
    mesh.run(3.0)
    bye = mesh.detectors["f"].leave()
    mesh.perform("f", [Tell((node_id("a"),), (bye,))])
    mesh.run(30.0, deaf="f")
    assert mesh.beliefs("f") == dict.fromkeys("abcdef", LEFT)
    assert {event for _, _, event, _ in mesh.happened} == {"left"}


def test_a_member_that_somebody_says_has_left_is_asked_and_denies_it() -> None:
    mesh = Mesh("abcd")
    forged = claim("d", LEFT)
    mesh.perform("a", mesh.detectors["a"].heard([forged], node_id("b"), mesh.now))
    assert mesh.detectors["a"].liveness(node_id("d")) is LEFT
    mesh.deliver_all()
    assert mesh.detectors["a"].liveness(node_id("d")) is ALIVE
