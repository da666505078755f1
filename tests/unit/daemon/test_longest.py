"""The longest of late: peaks are kept for a period, and the loop is measured from look to look."""

from __future__ import annotations

import time

import trio

from gcounterd.daemon.longest import PERIOD_S, Longest, Turns


def test_a_peak_is_shown_for_at_least_a_period_and_at_most_two() -> None:
    longest = Longest(0.0)
    longest.take(7.0, PERIOD_S - 1)
    longest.take(3.0, PERIOD_S - 0.5)
    assert longest.read(PERIOD_S - 0.5) == 7.0
    longest.take(2.0, PERIOD_S + 1)
    assert longest.read(2 * PERIOD_S - 1) == 7.0
    assert longest.read(3 * PERIOD_S - 2) == 2.0


def test_after_a_silence_of_two_periods_nothing_is_left() -> None:
    longest = Longest(0.0)
    longest.take(7.0, 1.0)
    assert longest.read(2 * PERIOD_S + 1) == 0.0


def test_every_reader_sees_the_same_peak() -> None:
    longest = Longest(0.0)
    longest.take(7.0, 1.0)
    assert longest.read(PERIOD_S + 1) == longest.read(PERIOD_S + 2) == 7.0


async def test_a_step_that_holds_the_loop_shows_as_a_turn() -> None:
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    await trio.lowlevel.checkpoint()
    began = time.thread_time()
    while time.thread_time() < began + 0.02:
        pass
    await trio.sleep(0)
    await trio.lowlevel.checkpoint()
    trio.lowlevel.remove_instrument(turns)
    assert turns.read() >= 0.02
