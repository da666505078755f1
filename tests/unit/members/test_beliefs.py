"""What is believed of members, and what follows when others say something."""

import attrs
import pytest
from detecting import (
    ALIVE,
    DEAD,
    LEFT,
    REFUSED,
    SUSPECT,
    Lone,
    claim,
    epoch,
)
from nodes import node_id

from gcounterd.members.actions import Action, Happened, Tell
from gcounterd.members.beliefs import LEAP_MAX
from gcounterd.members.buckets import BUCKETS
from gcounterd.members.claims import INCARNATION_MAX, Claim, Liveness
from gcounterd.members.table import SUM_BYTES
from gcounterd.members.timing import LAN


def told_to(actions: list[Action], of: str) -> list[Claim]:
    return [
        each
        for action in actions
        if isinstance(action, Tell) and node_id(of) in action.targets
        for each in action.claims
    ]


# -- what is said of ourselves ------------------------------------------------------------------


def test_an_accusation_is_refuted_by_a_higher_incarnation_and_its_sayer_told_at_once() -> None:
    a = Lone("bcd")
    actions = a.hear(claim("a", SUSPECT, 0, by="c"), source="b")
    assert a.detector.me == claim("a", ALIVE, 1)
    assert told_to(actions, "b") == [claim("a", ALIVE, 1)]
    assert claim("a", ALIVE, 1) in a.detector.piggyback(node_id("d"))
    assert a.detector.tally["refuted_self"] == 1
    assert a.detector.health == 1  # whoever is accused may be the slow one


@pytest.mark.parametrize("said", [SUSPECT, DEAD, LEFT])
def test_a_stale_accusation_is_answered_with_our_present_claim(said: Liveness) -> None:
    """S5: otherwise a member whose refutation somebody missed dies there while it answers."""
    a = Lone("bcd")
    a.hear(claim("a", SUSPECT, 6))
    assert a.detector.me.incarnation == 7
    actions = a.hear(claim("a", said, 3), source="d")
    assert told_to(actions, "d") == [claim("a", ALIVE, 7)]
    assert a.detector.me.incarnation == 7
    assert a.detector.health == 1
    assert a.detector.tally["refuted_self"] == 1


def test_what_is_said_of_another_life_of_ours_is_nobodys_business() -> None:
    a = Lone("b")
    for life in (0, 2, 255):
        assert a.hear(claim("a", DEAD, 9, life=life)) == []
    assert a.detector.me == claim("a", ALIVE, 0)


def test_that_we_are_alive_is_no_news_unless_somebody_says_more_than_we_ever_did() -> None:
    """As after a memory snapshot was resumed: what we said since is known to others only."""
    a = Lone("b")
    assert a.hear(claim("a", ALIVE, 0)) == []
    a.hear(claim("a", ALIVE, 5))
    assert a.detector.me == claim("a", ALIVE, 6)
    assert a.detector.health == 0


@pytest.mark.parametrize("incarnation", [LEAP_MAX + 1, INCARNATION_MAX - 1, INCARNATION_MAX])
def test_a_forged_incarnation_of_ours_is_counted_and_does_not_use_ours_up(
    incarnation: int,
) -> None:
    a = Lone("b")
    assert a.hear(claim("a", SUSPECT, incarnation)) == []
    assert a.detector.me == claim("a", ALIVE, 0)
    assert a.detector.tally["claims_leaping"] == 1
    assert a.detector.health == 0


def test_once_we_have_left_nothing_is_refuted() -> None:
    a = Lone("b")
    assert a.detector.leave() == claim("a", LEFT)
    assert a.hear(claim("a", DEAD, 0), claim("a", SUSPECT, 3)) == []
    assert a.detector.liveness(node_id("a")) is LEFT


# -- what is said of others ---------------------------------------------------------------------


def test_who_is_accused_is_told_before_anybody_can_believe_it_for_long() -> None:
    a = Lone("bcd")
    accused = claim("c", SUSPECT, 0, by="d")
    actions = a.hear(accused)
    assert actions[0] == Tell((node_id("c"),), (accused,))
    assert a.events() == [("suspect", "c")]
    a.hear(claim("c", ALIVE, 1), source="d")
    assert a.events() == [("suspect", "c"), ("refuted", "c")]


@pytest.mark.parametrize("said", [SUSPECT, DEAD, LEFT])
def test_who_connects_is_told_what_is_said_of_it(said: Liveness) -> None:
    a = Lone("bc")
    a.hear(claim("c", said, 4))
    actions = a.note(a.detector.met(node_id("c"), epoch(), 1.0))
    assert told_to(actions, "c") == [claim("c", said, 4)]
    assert a.detector.met(node_id("b"), epoch(), 1.0) == []


def test_without_the_buddy_system_a_suspect_learns_of_it_as_everybody_does() -> None:
    a = Lone("bcd", attrs.evolve(LAN, buddy=False))
    assert told_to(a.hear(claim("c", SUSPECT)), "c") == []
    assert told_to(a.until(0.001), "c") == [claim("c", SUSPECT)]


def test_a_life_is_not_believed_from_a_rumour_and_counted() -> None:
    a = Lone("bc")
    for life in (2, 255):
        assert a.hear(claim("c", DEAD, 0, life=life)) == []
        assert a.hear(claim("c", ALIVE, 0, life=life)) == []
    assert a.liveness("c") is ALIVE
    assert a.detector.tally["claims_unknown"] == 4


def test_a_later_life_of_this_node_that_others_believe_in_is_kept_in_mind() -> None:
    a = Lone("bc")
    for life in (5, 9, 7):
        assert a.hear(claim("a", DEAD, life=life)) == []
        assert a.detector.me.epoch == epoch(1)
    assert a.detector.later == epoch(9)
    a.detector.renew(epoch(8))
    assert a.detector.later == epoch(9)
    a.detector.renew(epoch(10))
    assert a.detector.later is None


def test_a_life_that_is_over_is_not_spoken_of() -> None:
    a = Lone("bc")
    a.detector.know(node_id("c"), epoch(2), 0.0, joined=True)
    assert a.hear(claim("c", DEAD, 99, life=1)) == []
    assert a.liveness("c") is ALIVE


def test_strangers_are_neither_believed_nor_remembered() -> None:
    a = Lone("b")
    for each in "cdefg":
        assert a.hear(claim(each, SUSPECT)) == []
    assert a.detector.tally["claims_unknown"] == 5
    assert a.detector.view(node_id("c")) is None
    assert a.liveness("c") is DEAD
    assert a.detector.telling == 0


def test_only_the_member_itself_may_leap_ahead_of_what_is_believed_of_it() -> None:
    a = Lone("bc")
    far = LEAP_MAX + 1
    assert a.hear(claim("c", DEAD, far), claim("c", ALIVE, INCARNATION_MAX), source="b") == []
    assert a.detector.tally["claims_leaping"] == 2
    assert a.liveness("c") is ALIVE
    a.hear(claim("c", ALIVE, far), source="c")
    assert a.detector.view(node_id("c")).incarnation == far


def test_a_forged_death_can_always_be_refuted_by_its_victim() -> None:
    a = Lone("bc")
    a.hear(claim("c", DEAD, LEAP_MAX), source="b")
    assert a.liveness("c") is DEAD
    assert a.events() == [("dead", "c")]
    (said,) = told_to(a.note(a.detector.met(node_id("c"), epoch(), 0.1)), "c")
    assert said.incarnation == LEAP_MAX
    a.hear(claim("c", ALIVE, said.incarnation + 1), source="c")
    assert a.events() == [("dead", "c"), ("back", "c")]


def test_a_restart_ends_whatever_was_believed_and_told_of_the_life_before() -> None:
    a = Lone("bcd")
    a.hear(claim("c", SUSPECT, 7, by="b"), claim("c", SUSPECT, 7, by="d"))
    assert a.detector.telling == 2
    a.note(a.detector.met(node_id("c"), epoch(2), 0.5))
    assert a.liveness("c") is ALIVE
    assert a.detector.telling == 0
    assert a.until(60.0)
    assert a.events("dead", "back") == []


def test_members_are_alone_when_nobody_else_lives_and_say_when_that_ends() -> None:
    a = Lone("bc")
    a.hear(claim("b", DEAD))
    assert not a.detector.alone
    a.hear(claim("c", LEFT))
    assert a.detector.alone
    a.note(a.detector.met(node_id("c"), epoch(2), 1.0))
    assert not a.detector.alone
    assert a.events("alone", "company") == [("alone", ""), ("company", "")]


def test_to_forget_the_last_member_ends_being_alone() -> None:
    a = Lone("b")
    a.hear(claim("b", DEAD))
    a.note(a.detector.forget(node_id("b")))
    assert a.events("alone", "company") == [("alone", ""), ("company", "")]
    assert a.note(a.detector.forget(node_id("b"))) == []


# -- suspicions ---------------------------------------------------------------------------------


def test_a_suspicion_that_nobody_refutes_ends_in_death_when_it_is_due() -> None:
    a = Lone("bcdefghij")
    a.hear(claim("c", SUSPECT, by="b"), claim("c", SUSPECT, by="d"))
    assert a.dies_at("c") == pytest.approx(LAN.shortest(10))
    assert a.events() == [("suspect", "c"), ("dead", "c")]
    assert a.accusers("c") == "bd"


def test_the_same_accuser_confirms_nothing_by_whatever_way_it_is_heard_again() -> None:
    """S6: each way of telling repeats what one member said."""
    a, other = Lone("bcdefghij"), Lone("bcdefghij")
    accused = claim("c", SUSPECT, by="b")
    other.hear(accused)
    a.hear(accused, source="b")
    a.until(1.0)
    a.hear(*other.detector.differing(bytes(BUCKETS * SUM_BYTES)), source="d")  # by a survey
    for source in "defghij":
        a.hear(accused, source=source)
    assert a.accusers("c") == "b"
    assert a.dies_at("c") == pytest.approx(LAN.beta * LAN.shortest(10))


def test_a_suspicion_of_a_higher_incarnation_starts_anew() -> None:
    """S7: the member has refuted between the two; time that ran before does not count."""
    a = Lone("bcdefghij")
    a.hear(claim("c", SUSPECT, 0, by="b"), claim("c", SUSPECT, 0, by="d"))
    a.until(2.9)
    a.hear(claim("c", SUSPECT, 1, by="e"), claim("c", SUSPECT, 1, by="f"))
    assert a.accusers("c") == "ef"
    assert a.dies_at("c") == pytest.approx(2.9 + LAN.shortest(10))


def test_who_has_refuted_is_not_killed_by_the_suspicion_of_before() -> None:
    """S7."""
    a = Lone("bcdefghij")
    a.hear(claim("c", SUSPECT, 0, by="b"), claim("c", SUSPECT, 0, by="d"))
    a.until(2.9)
    a.hear(claim("c", ALIVE, 1))
    a.hear(claim("c", SUSPECT, 0, by="e"))
    a.until(60.0)
    assert a.liveness("c") is ALIVE
    assert a.events("dead") == []


@pytest.mark.parametrize(("second", "lasts"), [("d", LAN.refused_after), ("b", 18.0)])
def test_a_refusing_port_counts_only_by_two_distinct_members(second: str, lasts: float) -> None:
    a = Lone("bcdefghij")
    a.hear(
        claim("c", SUSPECT, by="b", evidence=REFUSED),
        claim("c", SUSPECT, by=second, evidence=REFUSED),
    )
    assert a.dies_at("c") == pytest.approx(lasts)


def test_a_process_that_is_back_within_the_time_of_a_restart_is_not_declared_dead() -> None:
    a = Lone("bcdefghij")
    for by in "bd":
        a.hear(claim("c", SUSPECT, by=by, evidence=REFUSED))
    a.until(LAN.refused_after - 0.1)
    a.note(a.detector.met(node_id("c"), epoch(2), a.now))
    a.until(60.0)
    assert a.events() == [("suspect", "c"), ("refuted", "c")]


def test_a_death_by_hearsay_is_an_accusation_of_one_that_was_heard_here() -> None:
    a = Lone("bcd")
    a.detector.met(node_id("c"), epoch(), 0.0)
    a.hear(claim("c", DEAD, 0, by="d"))
    assert a.events() == [("suspect", "c")]
    assert a.accusers("c") == "d"
    a.hear(claim("c", ALIVE, 1), source="c")
    assert a.events() == [("suspect", "c"), ("refuted", "c")]


def test_a_death_by_hearsay_is_believed_of_one_that_had_time_to_refute_it_here() -> None:
    a = Lone("bcd")
    a.detector.met(node_id("c"), epoch(), 0.0)
    a.hear(claim("c", SUSPECT, 0, by="b"))
    a.until(LAN.interval - 0.1)
    a.hear(claim("c", DEAD, 0, by="d"))
    assert a.liveness("c") is SUSPECT
    a.until(LAN.interval + 0.1)
    a.hear(claim("c", DEAD, 0, by="d"))
    assert a.liveness("c") is DEAD


def test_a_death_keeps_who_accused_and_the_gravest_that_was_seen() -> None:
    a = Lone("bcdefghij")
    a.hear(claim("c", SUSPECT, by="b"), claim("c", SUSPECT, by="d", evidence=REFUSED))
    done: list[Action] = []
    while a.liveness("c") is SUSPECT:
        done = a.wake()
    (dead,) = [each for each in done if isinstance(each, Happened)]
    assert (dead.event, dead.why) == ("dead", "refused")
    assert dead.claim.accuser == node_id("a")
    assert a.accusers("c") == "bd"


def test_a_member_not_heard_of_since_our_start_is_shown_as_suspect_and_told_of_to_nobody() -> None:
    a = Lone("bc")
    view = a.detector.view(node_id("c"))
    assert view.liveness is SUSPECT
    assert view.accusations[0].path == "not heard of since this node started"
    assert a.liveness("c") is ALIVE
    assert a.detector.telling == 0
    a.detector.met(node_id("c"), epoch(), 1.0)
    assert a.detector.view(node_id("c")).liveness is ALIVE
    assert a.events() == []


def test_we_see_ourselves_as_we_say_we_are() -> None:
    a = Lone("b")
    a.hear(claim("a", SUSPECT, 4))
    view = a.detector.view(node_id("a"))
    assert (view.liveness, view.incarnation, view.accusations) == (ALIVE, 5, ())
