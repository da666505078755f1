"""Known histories: bad ones, each rejected by the rule that it is bad by, and good ones that look
bad at first sight. `a(1, 2, …)`: an operation invoked at 1 and returned at 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from tests.histories.checker import RULES, check
from tests.histories.history import BadHistory, History, Loss, Operation, Outcome, read_lines
from tests.histories.sums import find_sums

OK, REFUSED, UNKNOWN = Outcome.OK, Outcome.REFUSED, Outcome.UNKNOWN
clients = count()


def add(begin: float, end: float, amount: int, value: int | None, **more: Any) -> Operation:
    """Return an increment; without a value nobody knows what became of it."""
    outcome = more.pop("outcome", OK if value is not None else UNKNOWN)
    place, key, client = more.pop("at", "n1"), more.pop("key", "k"), f"c{next(clients)}"
    return Operation(client, place, key, begin, end, outcome, amount, value, **more)


def refused(begin: float, end: float, amount: int, **more: Any) -> Operation:
    return add(begin, end, amount, None, outcome=REFUSED, **more)


def read(begin: float, end: float, value: int | None, **more: Any) -> Operation:
    return add(begin, end, 0, value, **more)


def asked(begin: float, end: float, value: int | None, **more: Any) -> Operation:
    return read(begin, end, value, consistent=True, **more)


def two(begin: float, end: float) -> list[Operation]:
    """Return a request that adds 5 to one counter and 7 to another, and has no answer."""
    return [add(begin, end, n, None, key=key, bundle="b") for n, key in ((5, "k"), (7, "l"))]


def end(*values: int, at: float = 90, number: int = 1, key: str = "k") -> list[Operation]:
    """Return the reads of an audit, of n1, n2, …"""
    places = enumerate(values, 1)
    return [read(at, at + 1, value, final=number, at=f"n{n}", key=key) for n, value in places]


BAD: dict[str, tuple[str, Sequence[Operation | Loss]]] = {
    "an increment counts twice": ("never over", [add(1, 2, 5, 5), read(3, 4, 10)]),
    "an increment is answered with twice its amount": ("never over", [add(1, 2, 5, 10)]),
    "a lost request counts twice": ("never over", [add(1, 2, 5, None), read(3, 4, 10)]),
    "a value comes before its increment": ("never over", [read(1, 2, 5), add(3, 4, 5, 5)]),
    "the best value of a refused read is too large": (
        "never over",
        [add(1, 2, 5, 5), asked(3, 4, 6, outcome=REFUSED)],
    ),
    "a key that was used twice counts twice": (
        "never over",
        [add(1, 2, 5, None, token="t"), add(3, 4, 5, 10, token="t")],
    ),
    "what was refused counts": ("refused is nothing", [refused(1, 2, 5), read(3, 4, 5)]),
    "what was refused is in the answer to another": (
        "refused is nothing",
        [refused(1, 3, 5), add(2, 4, 1, 6)],
    ),
    "a place goes down": ("no dip", [add(1, 2, 5, 5), read(3, 4, 5), read(5, 6, 4)]),
    "a place goes down in what it says is its best": (
        "no dip",
        [add(1, 2, 5, 5), asked(3, 4, 4, outcome=REFUSED)],
    ),
    "a place does not show what it answered": ("no dip", [add(1, 2, 5, 5), read(3, 4, 0)]),
    "an answer is without its own amount": ("no dip", [add(1, 2, 5, 5), add(3, 4, 2, 5)]),
    "a place shows its answers, but less than before on top": (
        "no dip",
        [add(1, 2, 7, 7, at="n2"), read(3, 4, 7), add(5, 6, 2, 9), add(7, 8, 2, 4)],
    ),
    "of two answered at once one is lost": (
        "no dip",
        [add(1, 3, 5, 5), add(2, 4, 2, 7), read(5, 6, 5)],
    ),
    "a restored disk shows less than after it was restored": (
        "no dip",
        [add(1, 2, 5, 5), Loss("n1", 3), add(4, 5, 2, 2), read(6, 7, 1)],
    ),
    "a read shows less than its min": (
        "min is kept",
        [add(1, 2, 5, 5), read(3, 4, 5, least=5, at="n2"), read(5, 6, 3, least=5, at="n3")],
    ),
    "a consistent read lacks what was acknowledged elsewhere": (
        "asks everybody",
        [add(1, 2, 5, 5, at="n2"), asked(3, 4, 0)],
    ),
    "a consistent read lacks one of several": (
        "asks everybody",
        [add(1, 2, 5, 5, at="n2"), add(1, 2, 3, 3, at="n3"), asked(3, 4, 7)],
    ),
    "a consistent read lacks what it covers": (
        "asks everybody",
        [add(1, 2, 5, 5, at="n2"), asked(3, 4, 4, covers=("n1", "n2"))],
    ),
    "a majority's increment goes with one disk": (
        "asks everybody",
        [add(1, 2, 5, 5, at="n2", holders=2), Loss("n2", 3), asked(4, 5, 0)],
    ),
    "a repeated increment is not in a consistent read": (
        "asks everybody",
        [
            add(1, 2, 5, None, at="n2", token="t"),
            add(3, 4, 5, 5, at="n2", token="t"),
            asked(5, 6, 0),
        ],
    ),
    "a consistent read lacks what another showed": (
        "shows everything",
        [add(1, 9, 5, 5, at="n2"), asked(2, 3, 5, at="n2"), asked(4, 5, 0)],
    ),
    "a consistent read lacks what a local one showed": (
        "shows everything",
        [add(1, 2, 5, None), read(3, 4, 5, at="n2"), asked(5, 6, 0, at="n3")],
    ),
    "a member lacks what all were said to hold": (
        "held by all",
        [add(1, 2, 5, 5, to_all=True, holders=2), read(3, 4, 0, at="n2")],
    ),
    "a repeat is answered with another value": (
        "same answer",
        [add(1, 2, 5, 5, token="t"), add(3, 4, 5, 6, token="t", repeated=True), add(1, 2, 1, 6)],
    ),
    "two places answer for one increment": (
        "same answer",
        [add(1, 2, 5, 5, token="t"), add(3, 4, 5, 5, token="t", at="n2")],
    ),
    "two places differ at the end": ("agreement", [add(1, 2, 5, None), *end(5, 0)]),
    "an answered increment is missing at the end": (
        "acceptable end",
        [add(1, 2, 2, 2), add(3, 4, 3, 5, at="n2"), *end(2, 2)],
    ),
    "one place's end is wrong": ("acceptable end", [add(1, 2, 2, 2), add(3, 4, 3, 5), *end(5, 4)]),
    "half of a lost request counts": ("acceptable end", [add(1, 2, 5, None), *end(3, 3)]),
    "the end is between the sums of lost requests": (
        "acceptable end",
        [add(1, 2, 10, 10), add(1, 2, 5, None), add(1, 2, 7, None), *end(16)],
    ),
    "a refused request counts at the end": ("acceptable end", [refused(1, 2, 5), *end(5, 5)]),
    "what was settled at one end counts at the next": (
        "acceptable end",
        [add(1, 2, 5, None), *end(0, 0, at=10), *end(5, 5, at=20, number=2)],
    ),
    "half of a request of two counters counts": (
        "all or nothing",
        [*two(1, 2), *end(5), *end(0, key="l", at=80)],
    ),
    "the other half of a request of two counters counts at the next end": (
        "all or nothing",
        [
            *(*end(0, at=10), *end(0, key="l", at=20)),
            *two(30, 31),
            *(*end(0, number=2), *end(7, key="l", at=80, number=2)),
        ],
    ),
    "what all agreed on goes": (
        "acceptable end",
        [add(1, 2, 5, None), *end(5, 5, at=10), *end(0, 0, at=20, number=2)],
    ),
}

GOOD: dict[str, Sequence[Operation | Loss]] = {
    "nothing happens": end(0, 0, 0),
    "a request of two counters counts": [*two(1, 2), *end(5), *end(7, key="l", at=80)],
    "a request of two counters does not count": [*two(1, 2), *end(0), *end(0, key="l", at=80)],
    "which of two requests counted cannot be told": [
        *two(1, 2),
        add(1, 2, 5, None),
        *end(5),
        *end(0, key="l", at=80),
    ],
    "a lost request counts": [add(1, 2, 5, None), *end(5, 5)],
    "a lost request does not count": [add(1, 2, 5, None), *end(0, 0)],
    "a lost request counts late": [add(1, 2, 5, None), read(3, 4, 0), read(5, 6, 5), *end(5)],
    "some of three lost requests count": [
        *(add(1, 2, amount, None) for amount in (5, 7, 20)),
        *end(25, 25),
    ],
    "a local read elsewhere is behind": [add(1, 2, 5, 5), read(3, 4, 0, at="n2"), *end(5, 5)],
    "a consistent read begins before the answer": [add(1, 4, 5, 5, at="n2"), asked(3, 5, 0)],
    "a consistent read shows what is not answered yet": [add(1, 9, 5, 5, at="n2"), asked(2, 3, 5)],
    "a consistent read does not cover who is being removed": [
        add(1, 2, 5, 5, at="n2"),
        asked(3, 4, 0, covers=("n1",)),
    ],
    "a refused consistent read is behind": [
        add(1, 2, 5, 5, at="n2"),
        asked(3, 4, 0, outcome=REFUSED),
    ],
    "two reads at once cross": [add(1, 2, 5, None), read(3, 6, 5), read(4, 5, 0)],
    "an answer is late, and the next one came before": [add(1, 9, 5, 5), add(2, 3, 2, 7)],
    "two increments at once are answered in the other order": [
        add(1, 9, 5, 7),
        add(2, 3, 2, 2),
        read(4, 5, 2),
    ],
    "a repeated increment counts once": [
        add(1, 2, 5, None, token="t"),
        add(3, 4, 5, 5, token="t", repeated=True),
        *end(5, 5),
    ],
    "a repeat is answered with the old value": [
        add(1, 2, 5, 5, token="t"),
        add(3, 4, 2, 7),
        add(5, 6, 5, 5, token="t", repeated=True),
    ],
    "a refused one is asked for elsewhere": [
        refused(1, 2, 5, token="t"),
        add(3, 4, 5, 5, token="t", at="n2"),
        *end(5, 5),
    ],
    "what only a lost disk had is missing": [add(1, 2, 5, 5), Loss("n1", 3), *end(0, 0)],
    "what a lost disk had counts all the same": [add(1, 2, 5, 5), Loss("n1", 3), *end(5, 5)],
    "what a majority held goes with a majority": [
        add(1, 2, 5, 5, holders=2),
        Loss("n1", 3),
        Loss("n2", 4),
        *end(0, 0, 0),
    ],
    "what was out of reach at one end counts at the next": [
        add(1, 2, 5, 5),
        Loss("n1", 3),
        *end(0, 0, at=10),
        *end(5, 5, at=20, number=2),
    ],
    "a disk is lost while a consistent read runs": [
        add(1, 2, 5, 5, at="n2"),
        asked(3, 6, 0),
        Loss("n2", 4),
    ],
    "a newcomer lacks what all of before held": [
        add(1, 2, 5, 5, to_all=True, holders=2, covers=("n1", "n2")),
        read(3, 4, 0, at="n3"),
    ],
}


def history_of(parts: Sequence[Operation | Loss]) -> History:
    operations = [part for part in parts if isinstance(part, Operation)]
    return History(operations, [part for part in parts if isinstance(part, Loss)])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_rejected_by_the_rule_that_it_breaks(name: str) -> None:
    rule, parts = BAD[name]
    assert rule in check(history_of(parts)).broken


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_is_needless(rule: str) -> None:
    alone = [name for name in BAD if check(history_of(BAD[name][1])).broken == [rule]]
    assert alone


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str) -> None:
    assert check(history_of(GOOD[name])).findings == []


# What Maelstrom's own tests hold its checker to, but for decrements.
@pytest.mark.parametrize(
    ("answered", "unanswered", "shown", "accepted"),
    [
        ([], [], [], True),
        ([2, 3], [], [5, 5], True),
        ([2, 3], [], [5, 4], False),
        ([10], [5, 1, 1], [11, 16], True),
        ([10], [5, 1, 1], [11, 13], False),
    ],
)
def test_what_maelstrom_accepts_is_acceptable(
    answered: list[int], unanswered: list[int], shown: list[int], accepted: bool
) -> None:
    acceptable = find_sums(sum(answered), unanswered)
    assert all(value in acceptable for value in shown) is accepted


def test_the_sums_of_the_unanswered_are_shown_as_intervals() -> None:
    assert find_sums(10, [5, 1, 1]).intervals() == [(10, 12), (15, 17)]
    assert str(find_sums(0, [1])) == "0 to 1"
    assert str(find_sums(0, [3, 30, 300])) == "0, 3, 30, …, 333"
    many = find_sums(7, [10] * 1000)
    assert many.intervals() == [(7, 10_007)]
    assert 6 not in many


CONTRADICTIONS: dict[str, list[Operation]] = {
    "ends before": [read(2, 1, 0)],
    "adds less": [add(1, 2, -1, 0)],
    "shows nothing": [read(1, 2, None, outcome=OK)],
    "nobody told": [read(1, 2, 3, outcome=UNKNOWN)],
    "only reads do": [add(1, 2, 1, 1, least=1)],
    "only increments do": [read(1, 2, 0, token="t")],
    "two things at a time": [
        Operation("c", "n1", "k", begin, begin + 2, OK, value=0) for begin in (1, 2)
    ],
}


@pytest.mark.parametrize("text", CONTRADICTIONS)
def test_a_record_that_contradicts_itself_is_no_history(text: str) -> None:
    with pytest.raises(BadHistory, match=text):
        check(History(CONTRADICTIONS[text]))


@pytest.mark.parametrize("line", ["", "{}", '{"at": 1}', '{"client": "c", "outcome": "maybe"}'])
def test_a_line_that_is_no_operation_is_refused(line: str) -> None:
    with pytest.raises(BadHistory):
        read_lines([line])


def test_what_is_found_says_which_rule_and_where() -> None:
    operations = [add(1, 2, 5, 5), add(1, 2, 4, 4, at="n2"), asked(3, 4, 6, at="n3")]
    (found,) = check(History(operations)).findings
    assert str(found).startswith("asks everybody: k: 6, but 9 was acknowledged before\n")
    assert "place='n3'" in str(found)
