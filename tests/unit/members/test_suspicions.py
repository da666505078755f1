"""How long a member is suspected, and what makes that shorter."""

import pytest
from nodes import node_id

from gcounterd.members.claims import Evidence
from gcounterd.members.suspicions import ACCUSATIONS_MAX, Accusation, Suspicion
from gcounterd.members.timing import LAN

SHORT, LONG = LAN.shortest(10), LAN.beta * LAN.shortest(10)


def accusation(by: str, evidence: Evidence = Evidence.SILENT) -> Accusation:
    return Accusation(node_id(by), 0.0, evidence, "told")


def refused(by: str) -> Accusation:
    return accusation(by, Evidence.REFUSED)


def suspicion(first: Accusation, members: int = 10) -> Suspicion:
    return Suspicion(first, 100.0, LAN, members)


def test_one_accuser_alone_must_wait_for_long() -> None:
    assert suspicion(accusation("b")).due == 100.0 + LONG


def test_an_independent_accuser_shortens_it_counted_from_its_beginning() -> None:
    it = suspicion(accusation("b"))
    assert it.confirm(accusation("c"), 101.0, LAN, 10)
    assert it.due == 100.0 + SHORT
    assert not it.confirm(accusation("d"), 102.0, LAN, 10)  # as short as it gets
    assert list(it.accusations) == [node_id(each) for each in "bcd"]


def test_the_same_accuser_again_confirms_nothing() -> None:
    it = suspicion(accusation("b"))
    assert not it.confirm(accusation("b"), 101.0, LAN, 10)
    assert it.due == 100.0 + LONG


def test_a_refusing_port_seen_by_two_members_shortens_it_to_what_a_restart_needs() -> None:
    it = suspicion(refused("b"))
    assert it.due == 100.0 + LONG
    assert it.confirm(refused("c"), 100.1, LAN, 10)
    assert it.due == 100.0 + LAN.refused_after


def test_a_refusing_port_seen_by_one_and_silence_by_another_is_silence() -> None:
    it = suspicion(refused("b"))
    it.confirm(accusation("c"), 100.1, LAN, 10)
    assert it.due == 100.0 + SHORT


def test_an_accuser_that_saw_silence_first_and_a_refusal_then_counts_as_one_that_was_refused() -> (
    None
):
    it = suspicion(accusation("b"))
    assert it.confirm(refused("b"), 101.0, LAN, 10)
    assert it.confirm(refused("c"), 101.5, LAN, 10)
    assert it.due == 101.0 + LAN.refused_after
    assert len(it.accusations) == 2


def test_the_only_other_member_is_enough_to_see_a_refusal() -> None:
    assert suspicion(refused("b"), members=2).due == 100.0 + LAN.refused_after
    assert suspicion(refused("b"), members=3).due > 100.0 + LAN.refused_after


@pytest.mark.parametrize("members", [20, 1000])
def test_a_cluster_that_grows_meanwhile_makes_no_suspicion_longer(members: int) -> None:
    it = suspicion(accusation("b"), members=2)
    before = it.due
    it.confirm(accusation("c"), 101.0, LAN, members)
    assert it.due == before


def test_accusations_are_kept_up_to_a_bound_and_further_ones_change_nothing() -> None:
    it = suspicion(accusation("b"))
    for number in range(100):
        by = node_id("c")[:14] + number.to_bytes(2, "big")
        it.confirm(Accusation(by, 0.0, Evidence.REFUSED, "told"), 101.0, LAN, 10)
    assert len(it.accusations) == ACCUSATIONS_MAX
    assert it.due == 101.0 + LAN.refused_after


def test_told_to_wait_it_ends_no_sooner_whoever_confirms_it() -> None:
    it = suspicion(accusation("b"))
    it.wait_until(150.0)
    it.confirm(accusation("c"), 120.0, LAN, 10)
    assert it.due == 150.0
