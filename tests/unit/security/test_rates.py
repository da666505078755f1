"""A client may ask so often, and nobody's asking is held against another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.security import rates
from gcounterd.security.rates import BURST_S, Rates, place_of


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3000)), min_size=1, max_size=40),
)
def test_no_client_gets_more_than_its_rate_and_one_burst(
    per_s: int, asked: list[tuple[int, int]]
) -> None:
    table, now, got = Rates(per_s), 0.0, 0
    for number, pause_ms in asked:
        now += pause_ms / 1000
        got += number * table.take("a", number, now)
        assert got <= per_s * (BURST_S + now) + 1e-6
    # After silence there is a burst again, whatever was asked before, and for others at once.
    assert table.take("a", per_s * BURST_S, now + BURST_S + 1)
    assert table.take("b", per_s * BURST_S, now)
    assert not table.take("b", 1, now)


def test_what_is_refused_costs_nothing_and_a_clock_that_goes_back_gives_nothing() -> None:
    table = Rates(1)
    assert not table.take("a", BURST_S + 1, 10.0)
    assert table.take("a", BURST_S, 10.0)
    assert not table.take("a", 1, 5.0)
    assert not table.take("a", 1, 10.5)
    assert table.take("a", 1, 11.0)


def test_the_table_is_bounded_by_letting_go_of_the_longest_untouched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "BUCKETS_MAX", 3)
    table = Rates(1)
    for client in ("a", "b", "c"):
        assert table.take(client, BURST_S, 0.0)
    table.take("a", 0, 0.0)
    assert table.take("d", BURST_S, 0.0)
    assert len(table) == 3
    assert not table.take("a", 1, 0.0)
    assert table.take("b", 1, 0.0)  # it was let go of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (("10.0.0.7", 5), "10.0.0.7"),
        (("::ffff:10.0.0.7", 5, 0, 0), "10.0.0.7"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8::9", 5, 0, 0), "2001:db8:0:0::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80:0:0:0::/64"),
        (("::1", 5, 0, 0), "0:0:0:0::/64"),
        ("", ""),
    ],
)
def test_a_host_is_known_by_its_address_or_by_its_network(address: object, place: str) -> None:
    assert place_of(address) == place
