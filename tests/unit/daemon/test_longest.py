"""The longest of late: peaks are kept for a period, with what they were of."""

from __future__ import annotations

from gcounterd.daemon.longest import PERIOD_S, Longest


def test_a_peak_is_shown_for_at_least_a_period_and_at_most_two() -> None:
    longest = Longest[str](0.0)
    longest.take(7.0, PERIOD_S - 1)
    longest.take(3.0, PERIOD_S - 0.5)
    assert longest.read(PERIOD_S - 0.5) == 7.0
    longest.take(2.0, PERIOD_S + 1)
    assert longest.read(2 * PERIOD_S - 1) == 7.0
    assert longest.read(3 * PERIOD_S - 2) == 2.0


def test_after_a_silence_of_two_periods_nothing_is_left() -> None:
    longest = Longest[str](0.0)
    longest.take(7.0, 1.0)
    assert longest.read(2 * PERIOD_S + 1) == 0.0


def test_every_reader_sees_the_same_peak() -> None:
    longest = Longest[str](0.0)
    longest.take(7.0, 1.0)
    assert longest.read(PERIOD_S + 1) == longest.read(PERIOD_S + 2) == 7.0


def test_a_peak_is_shown_with_what_it_was_of() -> None:
    longest = Longest[str](0.0)
    longest.take(7.0, PERIOD_S - 1, "a")
    longest.take(3.0, PERIOD_S + 1, "b")
    assert longest.what(PERIOD_S + 1) == "a"
    assert longest.what(2 * PERIOD_S + 1) == "b"
