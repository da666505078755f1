"""Each experiment on membership in small: one seed, and only what holds for certain."""

from __future__ import annotations

import math

from gcounterd.members.timing import LAN
from gcounterd.sim.experiments import (
    counting,
    crash,
    datagrams,
    grey,
    harsh,
    joins,
    load,
    rumours,
    stalls,
    starved,
)
from gcounterd.sim.experiments.oracles import tellings


def test_e0_a_probe_fails_about_as_often_as_swims_formula_says() -> None:
    found = datagrams.run(datagrams.Setting(10, 0.75, 1), 1)
    assert 0.25 < found.failed / found.probes < 0.35  # 0.299, some 5 standard deviations


def test_e1_every_member_notices_each_crash_and_nobody_else_is_declared_dead() -> None:
    found = crash.run(crash.Setting(10, 0.0, "defaults", LAN, crashes=3), 1)
    assert [each.undetected for each in found.crashes] == [0, 0, 0]
    assert all(at >= LAN.shortest(10) for each in found.crashes for at in each.dead)
    assert (found.false_deaths, found.health) == (0, 0)


def test_e2_starved_members_do_not_make_healthy_ones_die_at_healthy_ones() -> None:
    found = starved.run(starved.Setting(10, 1, 0.01, "defaults", LAN, 30.0), 1)
    assert (found.deaths_healthy, found.crash.undetected) == (0, 0)


def test_e3_blocked_members_do_not_make_healthy_ones_die_at_healthy_ones() -> None:
    found = starved.run(starved.Setting(10, 1, 0.0, "all", LAN, 30.0, blocked=True), 1)
    assert (found.deaths_healthy, found.crash.undetected) == (0, 0)


def test_e5_all_that_join_at_once_are_seen_and_active() -> None:
    found = joins.run(joins.Setting(20), 1)
    assert found.seen <= found.active < math.inf


def test_e6_a_member_that_is_hardly_heard_takes_no_healthy_one_with_it() -> None:
    found = grey.run(grey.Setting(5, grey.OUTBOUND), 1)
    assert found.dropped == 0


def test_e7_a_rumour_reaches_all_and_is_told_as_often_as_the_limit_says() -> None:
    found = rumours.run(rumours.Setting(10, 0.25, 0.002), 1)
    limit = tellings(10, LAN.retransmit)
    assert (found.least, found.most) == (limit, limit)
    assert max(found.took) < math.inf


def test_e8_an_idle_cluster_says_little() -> None:
    found = load.run(load.Setting(10, load.IDLE), 1)
    assert 0 < found.mean < 245


def test_e9_a_crash_is_noticed_although_a_quarter_of_all_is_lost() -> None:
    assert harsh.run(harsh.Setting(10, 0.25), 1).crash.undetected == 0


def test_e10_who_stood_still_takes_nobody_for_dead_and_comes_back() -> None:
    found = stalls.run(stalls.Setting(10, stalls.STOPPED, 10.0), 1)
    assert (found.by_sleeper, found.healthy) == (0, 0)
    assert found.back < math.inf


def test_e11_what_is_counted_in_a_crowd_comes_to_everyone_about_once() -> None:
    found = counting.run(counting.Setting(36, seconds=3), 1)
    assert found.missed == 0
    # Each of 100 batches a second comes to each node once: sent twice, it would be 200 and more.
    assert 50 < found.batches < 120
