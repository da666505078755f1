"""The constants of the detector, and what follows from them."""

import math
from collections.abc import Callable

import attrs
import pytest

from gcounterd.members.roster import MEMBERS_MAX
from gcounterd.members.timing import LAN, PROFILES, Timing


@pytest.mark.parametrize("timing", PROFILES.values(), ids=PROFILES)
def test_a_nack_is_back_before_its_round_ends(timing: Timing) -> None:
    assert timing.nack_after > 0
    assert timing.timeout + timing.nack_after < timing.interval


@pytest.mark.parametrize("timing", PROFILES.values(), ids=PROFILES)
def test_a_member_whose_port_refuses_is_suspected_for_less_than_a_silent_one(
    timing: Timing,
) -> None:
    assert timing.interval <= timing.refused_after < timing.shortest(2)


def test_the_shortest_suspicion_grows_with_the_logarithm_of_the_cluster() -> None:
    assert LAN.shortest(1) == LAN.shortest(10) == 3.0
    assert LAN.shortest(100) == pytest.approx(6.0)
    assert LAN.shortest(1000) == pytest.approx(9.0)


@pytest.mark.parametrize("towards", [-math.inf, math.inf])
@pytest.mark.parametrize("timing", PROFILES.values(), ids=PROFILES)
def test_a_suspicion_is_as_long_on_machines_whose_logarithms_end_in_other_bits(
    timing: Timing, towards: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lengths() -> list[float]:
        sizes, confirmed = range(1, MEMBERS_MAX + 1), range(3)
        return [timing.suspected_for(size, number) for size in sizes for number in confirmed]

    def nudged(function: Callable[[float], float]) -> Callable[[float], float]:
        return lambda x: math.nextafter(function(x), towards)

    before = lengths()
    for name in ("log", "log10"):
        monkeypatch.setattr(math, name, nudged(getattr(math, name)))
    assert lengths() == before


def test_confirmations_shorten_a_suspicion_logarithmically() -> None:
    four = Timing(alpha=6.0, beta=6.0)  # Lifeguard's K is 4 then
    times = [four.suspected_for(10, confirmed) for confirmed in range(6)]
    longest, shortest = 36.0, 6.0
    expected = [
        longest - (longest - shortest) * math.log(confirmed + 1) / math.log(5)
        for confirmed in range(5)
    ]
    assert times[:5] == pytest.approx(expected)
    assert times[4] == times[5] == shortest


def test_where_too_few_could_confirm_a_suspicion_is_short_at_once() -> None:
    assert LAN.suspected_for(2, 0) == LAN.shortest(2)
    assert LAN.suspected_for(3, 0) == LAN.beta * LAN.shortest(3)
    assert LAN.suspected_for(3, 1) == LAN.shortest(3)


def test_with_a_beta_of_one_a_suspicion_has_one_length() -> None:
    constant = attrs.evolve(LAN, beta=1.0, alpha=5.0)
    assert {constant.suspected_for(50, confirmed) for confirmed in range(5)} == {
        constant.shortest(50)
    }


def test_a_rumour_is_told_more_often_where_there_are_more_to_hear_it() -> None:
    assert [LAN.tellings(members) for members in (1, 9, 10, 99, 100, 1000)] == [
        6,
        6,
        12,
        12,
        18,
        24,
    ]
