"""Answers as nodes give them, and calls that are carried out without a socket or a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from gcounterd.client.answers import Answer
from gcounterd.client.calls import Attempt, Call, LostError, NotSentError, Pause
from gcounterd.client.counting import Counting
from gcounterd.client.nodes import Nodes, read_addresses

T = TypeVar("T")
URLS = ("http://a:1", "http://b:2", "http://c:3")
# Whatever one attempt comes to.
Outcome = Answer | NotSentError | LostError


def nodes(count: int = 3) -> Nodes:
    return Nodes(read_addresses(URLS[:count]))


def said(status: int, body: object, node: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if node:
        named["gcounter-node"] = node
    return Answer(status, named, json.dumps(body).encode())


def value(number: int, node: str = "n1", key: str = "k", **headers: str) -> Answer:
    return said(200, {"key": key, "value": number}, node, **headers)


def refusal(
    status: int, code: str, *, definite: bool = True, node: str = "n1", **more: object
) -> Answer:
    error = {"code": code, "message": f"it is {code}", "definite": definite}
    return said(status, {"error": error, **more}, node)


def counting(
    of: Nodes, counts: Mapping[str, int] | None = None, *, direct: bool = False
) -> Counting:
    return Counting(
        of, counts or {"k": 2}, "token", ack="local", timeout_s=5.0, direct=direct, now=100.0
    )


class Played:
    """What a call sent: the attempts in their order, and when it had its result."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.now = 100.0

    def hosts(self) -> str:
        return "".join(attempt.address.host for attempt in self.attempts)

    def header(self, number: int, name: str) -> str | None:
        return dict(self.attempts[number].request.headers).get(name)

    def repeats(self) -> list[bool]:
        return [self.header(n, "Idempotency-Retry") == "1" for n in range(len(self.attempts))]


def carry_out(call: Call[T], world: Callable[[Attempt, int], Outcome]) -> tuple[T, Played]:
    """Carry a call out: `world` is given each attempt and its number, and says what it comes to.

    A lost attempt takes all the time it has, anything else a millisecond.
    """
    played = Played()
    return play(call, world, played), played


def play(call: Call[T], world: Callable[[Attempt, int], Outcome], played: Played) -> T:
    while True:
        step = call.step(played.now)
        if isinstance(step, Pause):
            assert step.seconds > 0
            played.now += step.seconds
            continue
        played.attempts.append(step)
        outcome = world(step, len(played.attempts) - 1)
        played.now += step.wait_s if isinstance(outcome, LostError) else 0.001
        if isinstance(outcome, NotSentError):
            call.not_sent(outcome, played.now)
        elif isinstance(outcome, LostError):
            call.lost(outcome, played.now)
        elif (result := call.answered(outcome, played.now)) is not None:
            return result
