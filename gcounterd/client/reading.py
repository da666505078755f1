"""Reading: one value, exact if that was asked, and never below what this client has seen.

Theory. A read changes nothing, so it may be sent to everybody in turn and given up at any moment:
each attempt gets a part of the time that is left, and a node that is paused or lags behind costs
its part and no more. What was refused once is asked on a new connection, since behind a balancer a
kept one leads to the same node. The largest value that anybody told is kept: when all fail, it is
the best there is.

This module refuses to know sockets and the clock.
"""

from __future__ import annotations

from gcounterd.client.answers import Answer, read_refusal, read_value
from gcounterd.client.calls import Attempt, LostError, NotSentError, Rounds, Step
from gcounterd.client.errors import ReadError
from gcounterd.client.nodes import Nodes
from gcounterd.client.requests import read_request

# Of an attempt: what the node may wait. The rest is for the way there and back.
_NODE_PART = 0.8
# Of the time left: the most that one attempt may take. And of the whole: the least.
_ATTEMPT_PART_MAX = 0.5
_ATTEMPT_PART_MIN = 0.1
# A node that says so is well; it lacks something that is not its own.
_LAGGING = ("not_exact", "not_reached")


class Reading:
    """The call that reads `key`, at least `least`."""

    def __init__(
        self, nodes: Nodes, key: str, least: int, *, consistent: bool, timeout_s: float, now: float
    ) -> None:
        self._nodes = nodes
        self._key = key
        self._least = least
        self._consistent = consistent
        self._rounds = Rounds(now, timeout_s)
        self._shortest_s = timeout_s * _ATTEMPT_PART_MIN
        self._fresh = False
        self._at = nodes.order(now)[0]
        self._best = least
        self._missing: tuple[str, ...] = ()
        self._why = ("timeout", "there was no time to ask anybody", "")

    def step(self, now: float) -> Step:
        """Return the next attempt or pause; raise `ReadError` at the deadline."""
        left = self._rounds.left(now)
        if left <= 0:
            raise self._end()
        pause = self._rounds.pause(now)
        if pause is not None:
            return pause
        self._at = self._rounds.next(self._nodes.order(now))
        part = min(1 / (1 + self._rounds.remaining), _ATTEMPT_PART_MAX)
        wait_s = min(left, max(left * part, self._shortest_s))
        request = read_request(
            self._key, self._least, consistent=self._consistent, timeout_s=wait_s * _NODE_PART
        )
        return Attempt(self._at, request, wait_s, fresh=self._fresh)

    def answered(self, answer: Answer, now: float) -> int | None:
        """Take in an answer; return the value if it is large enough."""
        value = read_value(answer)
        if value is not None and value >= self._least:
            self._nodes.well(self._at)
            return value
        if value is not None:
            # A node that keeps to `min` does not answer so; somebody else may.
            self._why = ("not_reached", f"{value} is below {self._least}", answer.node)
            self._next(now)
            return None
        refusal = read_refusal(answer)
        self._why = (refusal.code, refusal.message, refusal.node)
        self._best = max(self._best, refusal.best)
        self._missing = refusal.missing
        if not refusal.elsewhere:
            raise self._end()
        if refusal.code not in _LAGGING:
            self._nodes.failed(self._at, now)
        self._next(now)
        return None

    def not_sent(self, error: NotSentError, now: float) -> None:
        """Try the next address."""
        self._failed(("unreachable", str(error), ""), now)

    def lost(self, error: LostError, now: float) -> None:
        """Try the next address: to read twice is to read."""
        self._failed((error.code, str(error), error.node), now)

    def _failed(self, why: tuple[str, str, str], now: float) -> None:
        self._why = why
        self._nodes.failed(self._at, now)
        self._next(now)

    def _next(self, now: float) -> None:
        self._fresh = True
        self._rounds.failed(now)

    def _end(self) -> ReadError:
        code, message, node = self._why
        return ReadError(code, message, node=node, best=self._best, missing=self._missing)
