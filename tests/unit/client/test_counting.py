"""Where an increment goes after each thing that can happen to it, and what the caller is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from scripted import Outcome, Played, carry_out, counting, nodes, play, refusal, said, value

from gcounterd.client.answers import Answer
from gcounterd.client.calls import Attempt, LostError, NotSentError
from gcounterd.client.errors import DefiniteError, IndefiniteError

REFUSED = NotSentError("refused")
LOST = LostError("cut off", node="n1")
ELSEWHERE = refusal(409, "retry_elsewhere", definite=False)


def in_turn(*outcomes: Outcome) -> Callable[[Attempt, int], Outcome]:
    return lambda attempt, number: outcomes[min(number, len(outcomes) - 1)]


def test_an_increment_is_sent_under_its_token_and_its_value_is_returned() -> None:
    counted, played = carry_out(counting(nodes()), in_turn(value(7, "n2")))
    assert (counted.value, counted.node, counted.held_by, counted.replayed) == (7, "n2", (), False)
    [attempt] = played.attempts
    assert (attempt.request.method, attempt.request.target) == ("POST", "/v1/counters/k")
    assert json.loads(attempt.request.body) == {"by": 2}
    assert played.header(0, "Idempotency-Key") == "token"
    assert played.repeats() == [False]


def test_several_keys_are_one_request() -> None:
    answer = said(200, {"values": {"k": 3, "ä/b": 9}}, "n1")
    counted, played = carry_out(counting(nodes(), {"k": 1, "ä/b": 2}), in_turn(answer))
    assert counted.values == {"k": 3, "ä/b": 9}
    assert played.attempts[0].request.target == "/v1/counters"
    assert json.loads(played.attempts[0].request.body) == {"counts": {"k": 1, "ä/b": 2}}


def test_what_cannot_be_reached_is_passed_over_and_avoided_afterwards() -> None:
    shared = nodes()
    counted, played = carry_out(counting(shared), in_turn(REFUSED, REFUSED, value(1)))
    assert played.hosts() == "abc"
    assert played.repeats() == [False] * 3  # nobody can have counted it
    assert counted.value == 1
    _, later = carry_out(counting(shared), in_turn(value(2)))
    assert later.hosts() == "c"


@pytest.mark.parametrize("status", [429, 503, 507])
def test_a_definite_refusal_of_a_node_sends_the_increment_to_the_next_as_new(status: int) -> None:
    _, played = carry_out(counting(nodes()), in_turn(refusal(status, "draining"), value(1)))
    assert played.hosts() == "ab"
    assert played.repeats() == [False, False]


def test_a_definite_refusal_of_the_request_itself_ends_the_call_at_once() -> None:
    played = Played()
    with pytest.raises(DefiniteError) as found:
        play(counting(nodes()), in_turn(refusal(400, "too_large", node="n3")), played)
    assert (found.value.code, found.value.node, found.value.counts) == ("too_large", "n3", {"k": 2})
    assert len(played.attempts) == 1


def test_nobody_reachable_until_the_deadline_is_definite() -> None:
    played = Played()
    with pytest.raises(DefiniteError) as found:
        play(counting(nodes()), in_turn(REFUSED), played)
    assert found.value.code == "unreachable"
    assert played.now == pytest.approx(105.0, abs=0.01)
    assert len(played.attempts) < 60  # rounds pause, longer each time


@pytest.mark.parametrize("doubt", [LOST, refusal(503, "stopped", definite=False, node="n1")])
def test_in_doubt_every_further_attempt_is_a_repeat_until_the_record_is_found(
    doubt: Outcome,
) -> None:
    def world(attempt: Attempt, number: int) -> Outcome:
        if number == 0:
            return doubt
        if attempt.address.host != "a":
            return refusal(409, "retry_elsewhere", definite=False, node="n9")
        return REFUSED if number < 5 else value(4, "n1", idempotency_replayed="true")

    counted, played = carry_out(counting(nodes()), world)
    assert (counted.value, counted.replayed) == (4, True)
    assert played.repeats() == [False] + [True] * (len(played.attempts) - 1)
    assert played.header(1, "Gcounter-Node") == "n1"
    # Behind a balancer only a new connection can lead to another node.
    assert [attempt.fresh for attempt in played.attempts] == played.repeats()
    assert {attempt.request.body for attempt in played.attempts} == {b'{"by":2}'}
    assert {attempt.request.target for attempt in played.attempts} == {"/v1/counters/k"}


def test_the_first_node_of_which_no_name_is_known_is_not_named() -> None:
    lost = LostError("cut off")
    _, played = carry_out(counting(nodes(1)), in_turn(lost, value(1)))
    assert played.repeats() == [False, True]
    assert played.header(1, "Gcounter-Node") is None


def test_in_doubt_the_deadline_is_indefinite_and_tells_the_first_reason() -> None:
    played = Played()
    with pytest.raises(IndefiniteError) as found:
        play(counting(nodes()), in_turn(LOST, ELSEWHERE), played)
    assert (found.value.code, found.value.node, found.value.counts) == ("lost", "n1", {"k": 2})
    assert "cut off; then: it is retry_elsewhere" in str(found.value)
    assert "bc" in played.hosts()  # one of them might have been the first node's other address


def test_a_definite_refusal_of_a_repeat_does_not_make_the_first_attempt_definite() -> None:
    with pytest.raises(IndefiniteError):
        carry_out(counting(nodes()), in_turn(LOST, refusal(503, "draining")))
    played = Played()
    with pytest.raises(IndefiniteError):
        play(counting(nodes()), in_turn(LOST, refusal(409, "key_reused")), played)
    assert len(played.attempts) == 2  # nobody will ever take this one


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, {}, b"<html>bad gateway"),
        Answer(503, {}, b""),
        said(503, {"error": "busy"}),
        said(200, {"key": "k"}),
        said(200, {"key": "k", "value": True}),
        said(200, {"key": "k", "value": "7"}),
        Answer(200, {}, b"["),
        Answer(200, {}, b"[" * 100_000),
    ],
)
def test_an_answer_that_is_none_of_a_gcounterd_is_in_doubt(answer: Answer) -> None:
    _, played = carry_out(counting(nodes()), in_turn(answer, value(1)))
    assert played.repeats() == [False, True]


def test_an_acknowledgement_that_is_not_reached_is_counted_and_says_who_holds_it() -> None:
    answer = said(202, {"key": "k", "value": 5, "held_by": ["n1", "n2"]}, "n1")
    counted, played = carry_out(counting(nodes()), in_turn(answer))
    assert (counted.value, counted.held_by) == (5, ("n1", "n2"))
    assert len(played.attempts) == 1


def test_a_direct_node_without_a_record_is_sent_the_increment_anew() -> None:
    outcomes = in_turn(LOST, REFUSED, ELSEWHERE, value(3))
    counted, played = carry_out(counting(nodes(), direct=True), outcomes)
    assert counted.value == 3
    assert played.hosts() == "aaaa"  # nobody else is asked
    assert not any(attempt.fresh for attempt in played.attempts)
    assert played.repeats() == [False, True, True, False]
    assert played.header(3, "Idempotency-Key") == "token"


def test_a_direct_attempt_anew_that_is_lost_is_followed_by_a_repeat() -> None:
    outcomes = in_turn(LOST, ELSEWHERE, LOST, value(3))
    _, played = carry_out(counting(nodes(), direct=True), outcomes)
    assert played.repeats() == [False, True, False, True]


def test_behind_one_address_another_node_is_never_sent_it_anew() -> None:
    other = refusal(409, "retry_elsewhere", definite=False, node="n2")
    played = Played()
    with pytest.raises(IndefiniteError):
        play(counting(nodes(), direct=True), in_turn(LOST, other), played)
    assert played.repeats()[0] is False
    assert all(played.repeats()[1:])


def test_no_attempt_goes_beyond_the_deadline_and_a_repeat_is_left_time() -> None:
    played = Played()
    with pytest.raises(IndefiniteError):
        play(counting(nodes()), in_turn(LOST), played)
    assert played.attempts[0].wait_s < 4.0
    assert len(played.attempts) > 1
    assert played.now <= 105.0 + 1e-6


def test_a_node_waits_for_others_within_the_attempt_and_a_repeat_within_its_own() -> None:
    from gcounterd.client.counting import Counting

    call = Counting(nodes(), {"k": 1}, "t", ack="majority", timeout_s=4.0, direct=False, now=100.0)
    _, played = carry_out(call, in_turn(LOST, ELSEWHERE, value(1)))
    query = "/v1/counters/k?ack=majority&timeout="
    assert played.attempts[0].request.target == f"{query}2.400"
    for attempt in played.attempts:
        seconds = float(attempt.request.target.removeprefix(query))
        assert seconds == pytest.approx(0.8 * attempt.wait_s, abs=0.001)
    assert {attempt.request.body for attempt in played.attempts} == {b'{"by":1}'}
