"""The ledger of a chaos run allows what may be, and finds what may not."""

from __future__ import annotations

import pytest

from tests.chaos.ledger import Changes, Ledger, Sight


def ledger_of(**answered: int) -> Ledger:
    """Return a ledger of one key in which each place has answered so much."""
    ledger = Ledger(1)
    for place, amount in answered.items():
        ledger.send(place, ((0, amount),))
        ledger.answer(place, ((0, amount),))
    return ledger


@pytest.mark.parametrize(("value", "wrong"), [(4, True), (5, False), (7, False), (8, True)])
def test_a_lost_answer_widens_the_range_by_its_amount(value: int, wrong: bool) -> None:
    ledger = ledger_of(n1=5)
    ledger.send("n2", ((0, 2),))
    ledger.lose("n2", ((0, 2),))
    ledger.send("n2", ((0, 9),))
    ledger.refuse("n2", ((0, 9),))
    assert bool(ledger.audit([value], ())) is wrong


def test_what_is_under_way_may_show_at_once() -> None:
    ledger = ledger_of(n1=5)
    ledger.send("n2", ((0, 2),))
    assert ledger.ceiling(0) == 7
    ledger.refuse("n2", ((0, 2),))
    assert ledger.ceiling(0) == 5


def test_a_read_that_asks_all_shows_what_was_answered_but_by_who_is_removed() -> None:
    ledger = ledger_of(n1=5, n2=3)
    assert ledger.floor(0).least == 8
    ledger.doubt("n2")
    assert ledger.floor(0).least == 5
    ledger.wipe("n1")
    assert ledger.floor(0).least == 0
    assert ledger.audit([7], ()) == []
    assert ledger.floor(0).least == 7


def test_a_read_under_way_may_end_without_who_is_removed_meanwhile() -> None:
    ledger = ledger_of(n1=5, n2=3)
    floor = ledger.floor(0)
    floor.leave_out("n2")
    ledger.send("n2", ((0, 4),))
    ledger.answer("n2", ((0, 4),))
    assert (floor.least, ledger.floor(0).least) == (5, 12)


def test_an_audit_makes_the_range_one_value_again() -> None:
    ledger = ledger_of(n1=5)
    ledger.send("n1", ((0, 3),))
    ledger.lose("n1", ((0, 3),))
    assert ledger.audit([8], ()) == []
    assert ledger.ceiling(0) == 8
    assert ledger.audit([7], ()) == ["c0: 7, not 8 to 8 (since the last audit)"]


def test_what_was_agreed_on_too_early_is_found_from_the_start() -> None:
    ledger = ledger_of(n1=5)
    # Only n1 has it, and an audit that takes n1 as away allows that it is missing.
    assert ledger.audit([0], ["n1"]) == []
    assert ledger.audit([0], []) == ["c0: 0, not 5 to 5 (since the start)"]


def test_a_disk_that_is_away_may_bring_its_counts_later() -> None:
    ledger = ledger_of(n1=5, n2=3)
    assert ledger.audit([5], ["n2"]) == []
    assert ledger.ceiling(0) == 8
    assert ledger.audit([8], []) == []
    assert ledger.audit([9], []) == [
        "c0: 9, not 8 to 8 (since the last audit)",
        "c0: 9, not 8 to 8 (since the start)",
    ]


@pytest.mark.parametrize(("value", "wrong"), [(4, True), (5, False), (8, False), (9, True)])
def test_what_only_a_wiped_disk_had_may_be_missing_for_ever(value: int, wrong: bool) -> None:
    ledger = ledger_of(n1=5, n2=3)
    ledger.wipe("n2")
    assert bool(ledger.audit([value], ())) is wrong


def test_what_a_wiped_disk_had_shared_may_not_be_missing() -> None:
    ledger = ledger_of(n1=5, n2=3)
    assert ledger.audit([8], ()) == []
    ledger.wipe("n2")
    assert ledger.audit([7], ()) == [
        "c0: 7, not 8 to 8 (since the last audit)",
        "c0: 7, not 8 to 8 (since the start)",
    ]


def test_an_away_disk_that_is_wiped_never_comes_back() -> None:
    ledger = ledger_of(n1=5, n2=3)
    ledger.audit([5], ["n2"])
    ledger.wipe("n2")
    assert ledger.ceiling(0) == 8  # a copy may have come through meanwhile
    assert ledger.audit([5], ()) == []
    assert ledger.ceiling(0) == 5


def test_only_some_wrong_keys_are_shown() -> None:
    changes: Changes = tuple((key, 1) for key in range(20))
    ledger = Ledger(20)
    ledger.send("n1", changes)
    ledger.answer("n1", changes)
    wrong = ledger.audit([0] * 20, ())
    assert len(wrong) == 6
    assert wrong[-1] == "and 35 more"


def test_a_value_that_goes_down_or_was_never_asked_for_is_found() -> None:
    sight = Sight(1)
    assert sight.look(0, 5, 0, 5) is None
    assert sight.look(0, 4, sight.seen[0], 9) == "c0 went down: 4 after 5"
    assert sight.look(0, 10, 5, 9) == "c0: 10, but only 9 was ever asked for"
    sight.forget()
    assert sight.look(0, 1, sight.seen[0], 9) is None
    assert sight.checked == 4
