"""What an answer of a node makes known, and how a wish is said."""

from __future__ import annotations

import json

import pytest

from tests.cluster.client import Answer
from tests.histories.history import Outcome
from tests.histories.talking import Said, Wish, understand

ADD, READ = Wish("a/b", 2.0, amount=5), Wish("a/b", 2.0)


def answer(status: int, **told: object) -> Answer:
    return Answer(status, json.dumps(told).encode())


def error(status: int, *, definite: bool, **told: object) -> Answer:
    return answer(status, error={"code": "x", "message": "y", "definite": definite}, **told)


def test_a_wish_is_said_as_a_request() -> None:
    add = Wish("a/b", 2.0, amount=5, ack="majority", token="t1", retry=True)
    assert (add.method(), add.body()) == ("POST", b'{"by": 5}')
    assert add.target() == "/v1/counters/a%2Fb?timeout=2.00&ack=majority"
    assert add.headers() == {"Idempotency-Key": "t1", "Idempotency-Retry": "1"}
    read = Wish("a", 0.5, consistent=True, least=7)
    assert (read.method(), read.body(), read.headers()) == ("GET", b"", {})
    assert read.target() == "/v1/counters/a?timeout=0.50&consistency=consistent&min=7"


@pytest.mark.parametrize(
    ("wish", "told", "said"),
    [
        (ADD, answer(200, value=9), Said(Outcome.OK, 9)),
        (ADD, answer(202, value=9, held_by=["n1", "n2"]), Said(Outcome.OK, 9, held_by=2)),
        (ADD, error(503, definite=True), Said(Outcome.REFUSED)),
        (ADD, error(409, definite=False), Said(Outcome.UNKNOWN)),
        (READ, answer(200, value=9), Said(Outcome.OK, 9)),
        (READ, error(503, definite=True, best=4), Said(Outcome.REFUSED, 4)),
        (READ, error(503, definite=True), Said(Outcome.REFUSED)),
    ],
)
def test_what_an_answer_makes_known(wish: Wish, told: Answer, said: Said) -> None:
    assert understand(wish, told) == said


def test_an_increment_of_several_counters_is_one_request() -> None:
    wish = Wish("", 2.0, amount=1, counts={"a": 5, "b": 7})
    assert wish.target() == "/v1/counters?timeout=2.00"
    assert json.loads(wish.body()) == {"counts": {"a": 5, "b": 7}}
    said = understand(wish, answer(200, values={"a": 5, "b": 9}))
    assert said == Said(Outcome.OK, values={"a": 5, "b": 9})


def test_a_replayed_answer_is_known_by_its_header() -> None:
    replayed = Answer(200, b'{"value": 5}', {"idempotency-replayed": "true"})
    assert understand(ADD, replayed) == Said(Outcome.OK, 5, repeated=True)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (ADD, answer(200, value=9, held_by=["n1"])),
        (ADD, answer(202, value=9)),
        (READ, answer(202, value=9, held_by=["n1"])),
        (ADD, error(400, definite=True)),
        (READ, error(404, definite=True)),
        (ADD, Answer(200, b"no JSON")),
    ],
)
def test_what_no_answer_may_be_is_an_error(wish: Wish, told: Answer) -> None:
    with pytest.raises(ValueError, match=r"400|404|200|202|JSON|Expecting"):
        understand(wish, told)
