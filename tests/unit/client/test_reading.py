"""Whom a read asks, how long it waits for each, and what it settles for."""

from __future__ import annotations

import pytest
from scripted import Outcome, Played, carry_out, nodes, play, refusal, value

from gcounterd.client.answers import Answer
from gcounterd.client.calls import Attempt, LostError, NotSentError
from gcounterd.client.errors import ReadError
from gcounterd.client.reading import Reading


def reading(least: int = 0, *, consistent: bool = False) -> Reading:
    return Reading(nodes(), "a/b", least, consistent=consistent, timeout_s=3.0, now=100.0)


def always(outcome: Outcome, *later: Outcome):
    outcomes = (outcome, *later)
    return lambda attempt, number: outcomes[min(number, len(outcomes) - 1)]


def test_a_plain_read_asks_one_node_for_nothing_special() -> None:
    got, played = carry_out(reading(), always(value(5)))
    assert got == 5
    assert played.attempts[0].request.target == "/v1/counters/a%2Fb"


def test_what_was_seen_is_asked_for_and_a_consistent_read_says_so() -> None:
    got, played = carry_out(reading(4, consistent=True), always(value(4)))
    assert got == 4
    assert played.attempts[0].request.target == (
        "/v1/counters/a%2Fb?consistency=consistent&min=4&timeout=0.800"
    )
    assert played.attempts[0].wait_s == pytest.approx(1.0)  # a third, since there are three


def test_a_paused_node_costs_its_part_of_the_time_and_no_more() -> None:
    got, played = carry_out(reading(), always(LostError("silent", code="timeout"), value(9)))
    assert got == 9
    assert played.hosts() == "ab"
    assert played.now == pytest.approx(101.0, abs=0.01)


@pytest.mark.parametrize(
    "first",
    [
        NotSentError("refused"),
        LostError("reset"),
        refusal(503, "not_ready"),
        refusal(503, "not_reached", best=1),
        Answer(502, {}, b"bad gateway"),
        value(1),  # below what was asked: it does not know `min`
    ],
)
def test_whatever_a_node_cannot_do_is_asked_of_the_next(first: Outcome) -> None:
    if isinstance(first, Answer) and first.status == 502:
        first = Answer(502, {}, b"")
    got, played = carry_out(reading(2), always(first, value(2)))
    assert got == 2
    assert played.hosts() == "ab"


def test_in_the_end_the_best_value_and_the_members_missed_are_told() -> None:
    def world(attempt: Attempt, number: int) -> Outcome:
        best = {"a": 7, "b": 9, "c": 8}[attempt.address.host]
        return refusal(503, "not_exact", node="n1", best=best, missing=["n3"])

    played = Played()
    with pytest.raises(ReadError) as found:
        play(reading(consistent=True), world, played)
    assert (found.value.code, found.value.best, found.value.missing) == ("not_exact", 9, ("n3",))
    assert played.now <= 103.0 + 1e-6


def test_nobody_reachable_tells_what_was_seen_before() -> None:
    with pytest.raises(ReadError) as found:
        carry_out(reading(6), always(NotSentError("refused")))
    assert (found.value.code, found.value.best) == ("unreachable", 6)


def test_a_request_that_no_node_takes_fails_at_once() -> None:
    played = Played()
    with pytest.raises(ReadError) as found:
        play(reading(), always(refusal(400, "bad_key")), played)
    assert found.value.code == "bad_key"
    assert len(played.attempts) == 1


def test_a_node_that_lags_is_not_avoided_and_one_that_is_gone_is() -> None:
    shared = nodes()

    def read(first: Outcome) -> str:
        call = Reading(shared, "k", 2, consistent=False, timeout_s=3.0, now=100.0)
        played = Played()
        with pytest.raises(ReadError):
            play(call, always(first, refusal(400, "bad_key")), played)
        return played.hosts()

    assert read(refusal(503, "not_reached", best=1)) == "ab"
    assert read(NotSentError("refused")) == "ab"
    assert read(NotSentError("refused")) == "bc"


def test_behind_one_address_a_node_that_lags_is_left_by_a_new_connection_in_half_the_time() -> None:
    lags = refusal(503, "not_reached", best=1)
    call = Reading(nodes(1), "k", 2, consistent=False, timeout_s=4.0, now=100.0)
    got, played = carry_out(call, always(lags, lags, value(2)))
    assert got == 2
    assert [attempt.fresh for attempt in played.attempts] == [False, True, True]
    assert played.attempts[0].wait_s == pytest.approx(2.0)
