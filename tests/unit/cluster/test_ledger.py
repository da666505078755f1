"""The replay's arithmetic, and its log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.cluster.ledger import SHOWN_MAX, Ledger, read_log

LOG = Path(__file__).resolve().parents[2] / "data" / "access.log.gz"


def test_the_log_holds_what_its_notice_says() -> None:
    counts = Counter(read_log(LOG))
    assert (counts.total(), len(counts)) == (10_000, 1_498)
    assert counts.most_common(2) == [("/favicon.ico", 807), ("/style2.css", 546)]
    assert read_log(LOG, 1) == ["/presentations/logstash-monitorama-2013/images/kibana-search.png"]


def test_a_key_with_no_lost_request_has_one_right_total() -> None:
    ledger = Ledger(Counter(a=3))
    assert ledger.check_node("n1", {"a": 3}) == []
    assert ledger.check_node("n1", {"a": 2}) == ["n1: a: 2, not 3"]
    assert ledger.check_node("n1", {"a": 4}) == ["n1: a: 4, not 3"]
    assert ledger.check_node("n1", {}) == ["n1: a: 0, not 3"]
    assert (ledger.exact(), ledger.ranges()) == (1, 0)


def test_a_lost_request_may_count_or_not_but_not_twice() -> None:
    ledger = Ledger(Counter(a=3), Counter(a=1, b=1))
    for value in (3, 4):
        assert ledger.check_node("n2", {"a": value}) == []
        assert ledger.check_node("n2", {"a": value, "b": 1}) == []
    assert ledger.check_node("n2", {"a": 5}) == ["n2: a: 5, not 3 to 4"]
    assert ledger.check_node("n2", {"a": 2, "b": 2}) == [
        "n2: a: 2, not 3 to 4",
        "n2: b: 2, not 0 to 1",
    ]
    assert (ledger.exact(), ledger.ranges()) == (0, 2)


def test_a_counter_that_the_log_does_not_name_is_wrong() -> None:
    assert Ledger(Counter(a=1)).check_node("n1", {"a": 1, "z": 1}) == ["n1: z: 1, not 0"]


def test_of_many_wrong_keys_a_few_are_shown_and_all_are_counted() -> None:
    ledger = Ledger(Counter({f"k{number}": 1 for number in range(SHOWN_MAX + 7)}))
    wrong = ledger.check_node("n1", {})
    assert len(wrong) == SHOWN_MAX + 1
    assert wrong[-1] == "n1: and 7 other keys are wrong"


def test_a_request_that_ended_in_no_way_or_in_two_is_a_fault_of_the_replay() -> None:
    ledger = Ledger(Counter(a=2), Counter(b=1))
    assert ledger.check_log(["a", "b", "a"]) == []
    assert ledger.check_log(["a", "b", "b"]) == [
        "a: 2 sent, 1 in the log",
        "b: 1 sent, 2 in the log",
    ]
