"""The detector over connections: what is sent and dialled for it, and what it is told."""

from __future__ import annotations

import pytest
from nodes import entry, hello, node_id
from probing_rig import CONTROL, LEFT, SUSPECT, Rig, claim, notices

from gcounterd.ids import Epoch
from gcounterd.members.claims import Evidence
from gcounterd.members.roster import Entry, State
from gcounterd.node.dialling import WARM_LINKS_MAX
from gcounterd.node.effects import Dial, Drop, Effect, Notice, Send
from gcounterd.node.grades import Grade
from gcounterd.node.messages import (
    Ack,
    Bye,
    Gossip,
    Nack,
    Ping,
    PingFor,
)
from gcounterd.node.peers import Link
from gcounterd.node.probing import BRIEF_S

# -- probes over links and dials ----------------------------------------------------------------


def test_a_ping_goes_over_the_link_that_is_there_with_a_digest_of_the_table() -> None:
    rig = Rig("b", linked="b")
    ping, effects = rig.until(Ping, "b")
    assert isinstance(ping, Ping)
    assert ping.digest == rig.detector.digest()
    assert not [e for e in effects if isinstance(e, Dial)]
    rig.hear("b", Ack(ping.number))
    assert rig.detector.tally["acked"] == 1


def test_without_a_link_the_dial_is_part_of_the_probe_and_the_ping_follows_it() -> None:
    rig = Rig("b")
    assert rig.probe_by_dial() == [Dial("b:1", CONTROL)]
    _, effects = rig.open("b", dialled="b:1")
    (ping,) = rig.to("b", effects)
    assert isinstance(ping, Ping)


def test_a_probe_waits_for_a_dial_that_is_under_way_and_dials_no_second_time() -> None:
    rig = Rig("b")
    rig.dialler.dials(rig.roster, rig.peers, rig.detector, 0.0, joining=False)
    assert rig.wake() == []
    _, effects = rig.open("b", dialled="b:1")
    assert [type(message) for message in rig.to("b", effects)] == [Ping]


def test_a_probe_is_pinged_over_whichever_link_comes_first() -> None:
    rig = Rig("b")
    rig.probe_by_dial()
    _, effects = rig.open("b")  # b dialled us meanwhile
    assert [type(message) for message in rig.to("b", effects)] == [Ping]


def test_a_ping_that_went_with_a_replaced_link_is_sent_again() -> None:
    rig = Rig("b", linked="b")
    ping, _ = rig.until(Ping, "b")
    _, effects = rig.open("b")
    assert rig.to("b", effects) == [ping]


def test_a_link_that_opens_without_a_probe_is_sent_no_ping() -> None:
    _, effects = Rig("b").open("b")
    assert effects == []


def test_a_dial_that_ends_at_another_process_reached_nobody() -> None:
    rig = Rig("bc", linked="c")
    rig.probe_by_dial()
    _, effects = rig.open("x", dialled="b:1")
    assert [m.target for m in rig.to("c", effects)] == [node_id("b")]


def test_where_another_process_answers_at_an_address_it_is_not_dialled_for_a_probe() -> None:
    rig = Rig("bc", linked="c")
    rig.open("x", dialled="b:1")
    ask, effects = rig.until(PingFor, "c")
    assert isinstance(ask, PingFor)
    assert ask.target == node_id("b")
    assert not [e for e in effects if isinstance(e, Dial)]


@pytest.mark.parametrize(
    ("grade", "suspected", "health"),
    [(Grade.REFUSED, True, 0), (Grade.TIMEOUT, False, 0), (Grade.LOCAL, False, 1)],
)
def test_a_failed_dial_is_held_against_whom_its_grade_says(
    grade: Grade, *, suspected: bool, health: int
) -> None:
    rig = Rig("b")
    rig.probe_by_dial()
    effects = rig.probing.dial_failed("b:1", grade, rig.now)
    assert notices(effects) == ([("suspect", "b")] if suspected else [])
    assert rig.detector.health == health


def test_a_port_that_refuses_is_evidence_whoever_wanted_something_there() -> None:
    rig = Rig("bc", linked="c")
    effects = rig.probing.dial_failed("b:1", Grade.REFUSED, 0.0)
    (ask,) = rig.to("c", effects)
    assert isinstance(ask, PingFor)
    effects = rig.hear("c", Nack(ask.number, refused=True))
    (notice,) = [e for e in effects if isinstance(e, Notice)]
    assert (notice.name, notice.fields["by"], notice.fields["why"]) == ("suspect", "a", "refused")


def test_a_refused_dial_says_nothing_of_members_at_other_addresses_or_connected() -> None:
    rig = Rig("bc", linked="b")
    assert rig.probing.dial_failed("b:1", Grade.REFUSED, 0.0) == []
    assert rig.probing.dial_failed("s:1", Grade.REFUSED, 0.0) == []


def test_a_link_that_breaks_is_looked_into_by_dialling_unless_its_peer_said_goodbye() -> None:
    rig = Rig("bcd", linked="bcd")
    rig.now += BRIEF_S
    assert rig.close("b") == [Dial("b:1", CONTROL)]
    rig.hear("c", Bye())
    assert rig.close("c") == []
    rig.hear("d", Gossip((claim("d", LEFT),)))
    assert rig.close("d") == []


def test_a_peer_that_dialled_us_and_soon_hangs_up_without_a_word_lost_patience_with_us() -> None:
    """A starved node reads the hello and the end of each dial that was given up."""
    rig = Rig("bc")
    rig.open("b")
    assert rig.close("b") == []
    rig.open("b")
    rig.hear("b", Gossip(()))
    assert rig.close("b") == [Dial("b:1", CONTROL)]
    rig.open("c")
    rig.now += BRIEF_S
    assert rig.close("c") == [Dial("c:1", CONTROL)]


def test_a_peer_that_hangs_up_on_every_hello_is_dialled_twice_and_then_asked_for() -> None:
    rig = Rig("bc", linked="bc")
    rig.now += BRIEF_S
    dials, effects = 0, rig.close("b")
    while any(isinstance(e, Dial) for e in effects):
        dials += 1
        rig.open("b", dialled="b:1")
        rig.dialler.ended("b:1", CONTROL, rig.now)
        effects = rig.close("b")
    assert dials == 2
    assert [type(message) for message in rig.to("c", effects)] == [PingFor]


# -- what operators see, and what follows -------------------------------------------------------


def test_a_peer_that_answers_and_hangs_up_is_looked_after_once_in_an_interval() -> None:
    rig = Rig("bc", linked="bc")
    dials = 0
    for _ in range(100):
        rig.now += 0.02
        effects = rig.close("b")
        dials += sum(isinstance(effect, Dial) for effect in effects)
        rig.dialler.ended("b:1", CONTROL, rig.now)
        _, effects = rig.open("b", dialled="b:1")
        for ping in rig.to("b", effects):
            assert isinstance(ping, Ping)
            rig.hear("b", Ack(ping.number))
    assert dials == 2


def test_a_death_closes_what_led_to_the_dead_and_says_who_and_why() -> None:
    rig = Rig("bcd", linked="bcd")
    link = rig.link("b").id
    rig.hear("c", Gossip((claim("b", SUSPECT, 0, by="c"),)))
    rig.hear("d", Gossip((claim("b", SUSPECT, 0, by="d"),)))
    effects: list[Effect] = []
    while not any(isinstance(e, Drop) for e in effects):
        effects = rig.wake()
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, Ping):
                for letter in "bcd":
                    if rig.link(letter).id in effect.links:
                        rig.hear(letter, Ack(effect.message.number))
    assert Drop(link, "dead") in effects
    (notice,) = [e for e in effects if isinstance(e, Notice)]
    assert notice.name == "dead"
    assert notice.fields == {
        "member": "b",
        "id": node_id("b").hex(),
        "by": "a",
        "why": "silent",
    }


def test_an_accuser_that_no_roster_knows_is_shown_by_its_id() -> None:
    rig = Rig("bc", linked="b")
    effects = rig.hear("b", Gossip((claim("c", SUSPECT, 0, by="?"),)))
    (notice,) = [e for e in effects if isinstance(e, Notice)]
    assert notice.fields["by"] == "3f3f3f3f3f3f"


def test_who_is_left_alone_tries_its_seeds_again() -> None:
    rig = Rig("b", linked="b")
    rig.dialler.met("s:1")
    effects = rig.hear("b", Gossip((claim("b", LEFT),)))
    assert notices(effects) == [("left", "b"), ("alone", None)]
    assert rig.dialler.unmet == ["s:1"]


def test_a_new_entry_is_a_new_member_and_a_removed_one_is_forgotten() -> None:
    rig = Rig("b")
    changed = rig.roster.merge([entry("c")])
    assert notices(rig.probing.roster_changed(changed, 1.0)) == [("joined", "c")]
    assert rig.probing.roster_changed(changed, 1.0) == []
    changed = rig.roster.merge([entry("c", state=State.REMOVED)])
    assert rig.probing.roster_changed(changed, 2.0) == []
    assert rig.detector.view(node_id("c")) is None


def test_a_restart_that_the_roster_tells_of_ends_a_suspicion() -> None:
    rig = Rig("bc", linked="c")
    rig.hear("c", Gossip((claim("b", SUSPECT, 3),)))
    changed = rig.roster.merge([entry("b", life=2)])
    assert notices(rig.probing.roster_changed(changed, 1.0)) == [("refuted", "b")]


def test_leaving_is_told_to_everyone_connected() -> None:
    rig = Rig("bcd", linked="bc")
    (bye,) = rig.probing.leave()
    assert isinstance(bye, Send)
    assert bye.message == Gossip((claim("a", LEFT),))
    assert bye.links == (rig.link("b").id, rig.link("c").id)
    assert Rig("b").probing.leave() == []


def crowd() -> list[Entry]:
    return [
        Entry(node_id("m")[:14] + n.to_bytes(2, "big"), Epoch(b"e" * 16), 0, f"m{n}", f"m:{n}", 1)
        for n in range(WARM_LINKS_MAX + 2)
    ]


def test_in_a_crowd_a_link_that_was_opened_for_a_probe_is_closed_with_a_word_after_it() -> None:
    rig = Rig("b", more=crowd())
    for address, _ in rig.dialler.dials(rig.roster, rig.peers, rig.detector, 0.0, joining=False):
        rig.dialler.ended(address, CONTROL, rig.now)
    assert rig.probing.closed(Link(9, hello("b", CONTROL), None, -BRIEF_S), 0.0) == [
        Dial("b:1", CONTROL)
    ]
    link, effects = rig.open("b", dialled="b:1")
    (ping,) = rig.to("b", effects)
    assert isinstance(ping, Ping)
    effects = rig.hear("b", Ack(ping.number))
    assert rig.to("b", effects) == [Bye()]
    assert effects[-1] == Drop(link.id, "parted", gently=True)


def test_a_nack_of_refusal_reaches_the_path_that_is_shown() -> None:
    rig = Rig("bc", linked="c")
    effects = rig.probing.dial_failed("b:1", Grade.REFUSED, 0.0)
    (ask,) = rig.to("c", effects)
    rig.hear("c", Nack(ask.number, refused=True))
    view = rig.detector.view(node_id("b"))
    assert view is not None
    (mine,) = view.accusations
    assert (mine.evidence, mine.path) == (Evidence.REFUSED, "direct: refused; c: refused")
