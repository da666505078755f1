"""What probing answers: pings, pings for others, surveys; bounded whoever asks."""

from __future__ import annotations

from nodes import entry, node_id
from probing_rig import ALIVE, CONTROL, FORGED, SUSPECT, Rig, claim

from gcounterd.ids import Epoch
from gcounterd.members.detector import TELL_MAX
from gcounterd.members.roster import Entry, State
from gcounterd.members.timing import LAN
from gcounterd.node.effects import Dial
from gcounterd.node.grades import Grade
from gcounterd.node.messages import (
    Ack,
    Gossip,
    Nack,
    Ping,
    PingFor,
    Survey,
)
from gcounterd.node.probing import SURVEY_EVERY_S, TELLING_INTERVALS_MAX
from gcounterd.node.relays import RELAYED_MAX

# -- answering and relaying ---------------------------------------------------------------------


def test_a_ping_is_answered_with_its_number_and_news() -> None:
    rig = Rig("bc", linked="b")
    rig.hear("b", Gossip((claim("c", SUSPECT),)))
    (ack, *_) = rig.to("b", rig.hear("b", Ping(2**63 - 1, rig.detector.digest())))
    assert ack == Ack(2**63 - 1, (claim("c", SUSPECT),))


def test_what_a_ping_says_of_us_is_refuted_in_its_own_answer() -> None:
    rig = Rig("b", linked="b")
    (ack, *_) = rig.to("b", rig.hear("b", Ping(1, b"12345678", (claim("a", SUSPECT),))))
    assert ack == Ack(1, (claim("a", ALIVE, 1),))


def test_a_member_is_pinged_for_another_and_its_answer_handed_on() -> None:
    rig = Rig("bc", linked="bc")
    (ping,) = rig.to("c", rig.hear("b", PingFor(5, node_id("c"))))
    assert isinstance(ping, Ping)
    effects = rig.hear("c", Ack(ping.number))
    assert rig.to("b", effects) == [Ack(5)]
    assert rig.detector.tally["late"] == 0


def test_a_relay_dials_who_is_not_connected_and_says_what_it_saw() -> None:
    rig = Rig("bc", linked="b")
    assert rig.hear("b", PingFor(5, node_id("c"))) == [Dial("c:1", CONTROL)]
    effects = rig.probing.dial_failed("c:1", Grade.REFUSED, 0.0)
    assert Nack(5, refused=True) in rig.to("b", effects)


def test_a_relay_that_reaches_another_process_there_says_so_at_once() -> None:
    rig = Rig("bc", linked="b")
    rig.hear("b", PingFor(5, node_id("c")))
    _, effects = rig.open("x", dialled="c:1")
    assert rig.to("b", effects) == [Nack(5, refused=False)]


def test_pings_for_strangers_for_ourselves_and_for_the_removed_are_answered_no() -> None:
    gone = [entry("r", state=State.REMOVED)]
    rig = Rig("b", linked="b", more=gone)
    for number, letter in enumerate("xar"):
        effects = rig.hear("b", PingFor(number, node_id(letter)))
        assert rig.to("b", effects) == [Nack(number, refused=False)]
        assert len(effects) == 1


def test_who_asks_without_end_is_told_no_at_once_and_costs_one_dial() -> None:
    rig = Rig("bc", linked="b")
    effects = [e for n in range(10_000) for e in rig.hear("b", PingFor(n, node_id("c")))]
    assert [e for e in effects if isinstance(e, Dial)] == [Dial("c:1", CONTROL)]
    assert len(rig.to("b", effects)) == 10_000 - RELAYED_MAX
    said = rig.to("b", rig.probing.dial_failed("c:1", Grade.TIMEOUT, 0.1))
    assert len([message for message in said if isinstance(message, Nack)]) == RELAYED_MAX


# -- tables -------------------------------------------------------------------------------------


def test_a_peer_whose_table_differs_is_surveyed_once_in_an_interval() -> None:
    rig = Rig("bc", linked="bc")
    first = rig.to("b", rig.hear("b", Ping(1, b"otherone")))
    assert Survey(rig.detector.survey(), reply=False) in first
    assert len(rig.to("c", rig.hear("c", Ping(1, b"otherone")))) == 1
    rig.now += LAN.interval
    assert len(rig.to("c", rig.hear("c", Ping(1, b"otherone")))) == 2


def test_tables_that_are_equal_or_about_to_be_are_not_compared() -> None:
    rig = Rig("bc", linked="bc")
    assert len(rig.hear("b", Ping(1, rig.detector.digest()))) == 1
    rig.hear("b", Gossip((claim("c", SUSPECT, 1),)))
    assert [type(m) for m in rig.to("b", rig.hear("b", Ping(1, b"otherone")))] == [Ack]


def test_where_rumours_never_end_tables_are_compared_all_the_same() -> None:
    rig = Rig("bc", linked="bc")
    surveyed = []
    for incarnation in range(1, 40):
        rig.hear("c", Gossip((claim("c", ALIVE, incarnation),)))
        said = rig.to("b", rig.hear("b", Ping(1, b"otherone")))
        surveyed += [rig.now for message in said if isinstance(message, Survey)]
        rig.now += LAN.interval / 4
    assert surveyed[0] >= TELLING_INTERVALS_MAX * LAN.interval
    assert len(surveyed) > 1


def test_a_survey_is_answered_with_what_differs_in_messages_that_fit() -> None:
    many = [
        Entry(node_id("m")[:14] + n.to_bytes(2, "big"), Epoch(b"e" * 16), 0, f"m{n}", f"m:{n}", 1)
        for n in range(200)
    ]
    rig = Rig("b", linked="b", more=many)
    *gossip, last = rig.to("b", rig.hear("b", Survey(FORGED, reply=False)))
    assert last == Survey(rig.detector.survey(), reply=True)
    assert max(len(message.claims) for message in gossip) <= TELL_MAX
    assert len({each.node for message in gossip for each in message.claims}) == 202


def test_a_survey_of_an_equal_table_is_answered_with_nothing() -> None:
    rig = Rig("b", linked="b")
    assert rig.hear("b", Survey(rig.detector.survey(), reply=False)) == []


def test_an_answer_to_a_survey_is_taken_once_and_only_where_one_was_sent() -> None:
    rig = Rig("bc", linked="bc")
    assert rig.hear("b", Survey(FORGED, reply=True)) == []
    rig.hear("b", Ping(1, b"otherone"))
    assert rig.hear("b", Survey(FORGED, reply=True))
    assert rig.hear("b", Survey(FORGED, reply=True)) == []
    assert rig.detector.tally["surveys_excess"] == 2


def test_surveys_that_come_too_fast_are_counted_and_cost_next_to_nothing() -> None:
    rig = Rig("bc", linked="bc")
    answered = sum(bool(rig.hear("b", Survey(FORGED, reply=False))) for _ in range(100_000))
    assert answered == 1
    assert rig.detector.tally["surveys_excess"] == 99_999
    assert rig.hear("c", Survey(FORGED, reply=False))  # of another peer
    rig.now += SURVEY_EVERY_S
    assert rig.hear("b", Survey(FORGED, reply=False))
