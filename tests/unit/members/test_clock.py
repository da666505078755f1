"""The detector's clock: time in which we stood still is not time."""

from gcounterd.members.clock import Clock


def test_it_goes_with_the_loop_while_calls_come_about_when_they_were_asked_for() -> None:
    clock = Clock(0.25)
    assert clock.ask_for(11.0, 10.0) == 11.0
    assert clock.notice(11.2) == 0.0
    assert clock.time(11.2) == 11.2


def test_a_call_that_comes_much_too_late_finds_that_no_time_has_passed() -> None:
    clock = Clock(0.25)
    clock.ask_for(11.0, 10.0)
    assert clock.notice(71.0) == 60.0
    assert clock.time(71.0) == 11.0
    assert clock.time(72.0) == 12.0
    assert clock.notice(72.0) == 1.0  # nobody has asked to be called since


def test_standing_still_is_said_once_however_often_it_is_looked_at() -> None:
    clock = Clock(0.25)
    clock.ask_for(11.0, 10.0)
    assert clock.notice(71.0) == 60.0
    assert clock.notice(71.1) == 0.0
    assert clock.ask_for(11.5, 71.1) == 71.5
    assert clock.notice(71.5) == 0.0


def test_to_ask_again_before_anybody_noticed_does_not_hide_it() -> None:
    """What comes first after a stop may be a message of bulk, which the detector never sees."""
    clock = Clock(0.25)
    clock.ask_for(11.0, 10.0)
    assert clock.ask_for(11.0, 71.0) == 71.0
    assert clock.time(71.0) == 11.0
    assert clock.notice(71.0) == 60.0


def test_a_deadline_that_is_past_is_asked_for_now_and_does_not_count_as_late() -> None:
    clock = Clock(0.25)
    assert clock.ask_for(3.0, 10.0) == 10.0
    assert clock.notice(10.1) == 0.0


def test_two_stops_add_up() -> None:
    clock = Clock(0.25)
    clock.ask_for(11.0, 10.0)
    assert clock.notice(16.0) == 5.0
    assert clock.ask_for(12.0, 16.0) == 17.0
    assert clock.notice(24.0) == 7.0
    assert clock.time(24.0) == 12.0
