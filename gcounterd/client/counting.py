"""Counting: one increment, or many together, exactly once or with an error that says which.

Theory. An increment is sent under an idempotency key that is drawn for it. While it is certain
that no node has counted it (not connected, or refused as definite), any node may be tried. From
the moment that one *may* have counted it (the answer was lost, or an error was indefinite), the
call is *in doubt*: only that node knows, by its record of the key. So from then on every attempt
says that it is a repeat (`Idempotency-Retry`); a node with the record gives its first answer
again, any other refuses and counts nothing. The other addresses are asked too, since one of them,
or the same one behind a balancer, may lead to the first node. Without an answer by the deadline
the call ends as `IndefiniteError`.

With `direct` the caller vouches that each address is one node's own, for as long as the client
lives, and that nodes answer after their disk (`commit`). Then a node that has no record of a
repeat did not count the first attempt, or has it still before it, and the increment is sent there
anew under the same key, which counts once in either order.

This module refuses to know sockets and the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gcounterd.client.answers import (
    RETRY_ELSEWHERE,
    Answer,
    Refusal,
    read_holders,
    read_refusal,
    read_values,
)
from gcounterd.client.calls import Attempt, LostError, NotSentError, Rounds, Step
from gcounterd.client.errors import CounterError, DefiniteError, IndefiniteError
from gcounterd.client.nodes import Address, Nodes
from gcounterd.client.requests import Ack, as_repeat, count_request

# Of the time left: what an attempt may take. What remains is for a repeat.
_FIRST_PART = 0.75
_REPEAT_PART = 0.5
# An attempt is not cut shorter than this part of the whole.
_ATTEMPT_PART_MIN = 0.1
# Of an attempt: what the node may wait for the acknowledgements of others.
_NODE_PART = 0.8


@dataclass(frozen=True, slots=True)
class Counted:
    """What an increment came to.

    values    by key: at least this, at the node that counted
    node      its name
    held_by   empty if it is as durable as was asked; else it is counted, and these hold it so far
    replayed  an earlier attempt had counted it, this answer is a repetition
    """

    values: Mapping[str, int]
    node: str
    held_by: tuple[str, ...] = ()
    replayed: bool = False

    @property
    def value(self) -> int:
        """Return the value of the only key; raise `ValueError` if there are several."""
        [value] = self.values.values()
        return value


class Counting:
    """The call that counts `counts` once, under the idempotency key `token`."""

    def __init__(
        self,
        nodes: Nodes,
        counts: Mapping[str, int],
        token: str,
        *,
        ack: Ack,
        timeout_s: float,
        direct: bool,
        now: float,
    ) -> None:
        self._nodes = nodes
        self._counts = counts
        self._token = token
        self._ack = ack
        self._shortest_s = timeout_s * _ATTEMPT_PART_MIN
        self._direct = direct
        self._rounds = Rounds(now, timeout_s)
        self._at = nodes.order(now)[0]
        # The address where it may have been counted, why, and the name of the node there, if known.
        self._doubt: Address | None = None
        self._first = ""
        self._why = ("timeout", "there was no time to send anything", "")
        self._last = ""
        self._anew = False

    def step(self, now: float) -> Step:
        """Return the next attempt or pause.

        Raises `DefiniteError` or `IndefiniteError` at the deadline.
        """
        left = self._rounds.left(now)
        if left <= 0:
            raise self._end()
        pause = self._rounds.pause(now)
        if pause is not None:
            return pause
        self._at = self._rounds.next(self._candidates(now))
        repeats = self._doubt is not None and not self._anew
        part = _REPEAT_PART if repeats else _FIRST_PART
        wait_s = min(left, max(left * part, self._shortest_s))
        request = count_request(self._counts, self._token, self._ack, wait_s * _NODE_PART)
        if not repeats:
            return Attempt(self._at, request, wait_s)
        # On a kept connection a balancer would lead to the same wrong node again and again.
        return Attempt(self._at, as_repeat(request, self._first), wait_s, fresh=not self._direct)

    def _candidates(self, now: float) -> list[Address]:
        if self._doubt is None:
            return self._nodes.order(now)
        others = [] if self._direct else self._nodes.order(now)
        return [self._doubt, *(address for address in others if address != self._doubt)]

    def answered(self, answer: Answer, now: float) -> Counted | None:
        """Take in an answer; return what was counted if it says so."""
        values = read_values(answer, self._counts)
        if values is not None:
            self._nodes.well(self._at)
            replayed = answer.headers.get("idempotency-replayed") == "true"
            return Counted(values, answer.node, read_holders(answer), replayed)
        refusal = read_refusal(answer)
        if self._doubt is None:
            self._refused(refusal, now)
        else:
            self._repeat_refused(refusal, now)
        return None

    def _refused(self, refusal: Refusal, now: float) -> None:
        self._why = (refusal.code, refusal.message, refusal.node)
        if not refusal.definite:
            self._nodes.failed(self._at, now)
            self._begin_to_doubt(refusal.node, now)
        elif refusal.elsewhere:
            self._nodes.failed(self._at, now)
            self._rounds.failed(now)
        else:
            raise self._end()

    def _repeat_refused(self, refusal: Refusal, now: float) -> None:
        self._last = refusal.message
        is_first = self._at == self._doubt and self._first in ("", refusal.node)
        if refusal.code == RETRY_ELSEWHERE:
            if self._direct and is_first and not self._anew:
                self._anew = True
                self._rounds.again(self._at)
                return
        elif refusal.definite and not refusal.elsewhere:
            # Nobody will ever take this repeat; what became of the first attempt stays unknown.
            raise self._end()
        self._anew = False
        self._rounds.failed(now)

    def not_sent(self, error: NotSentError, now: float) -> None:
        """Try the next address: nothing can have been counted by this attempt."""
        self._nodes.failed(self._at, now)
        self._last = str(error)
        if self._doubt is None:
            self._why = ("unreachable", str(error), "")
        self._anew = False
        self._rounds.failed(now)

    def lost(self, error: LostError, now: float) -> None:
        """Doubt from now on."""
        self._nodes.failed(self._at, now)
        self._last = str(error)
        if self._doubt is None:
            self._why = (error.code, str(error), error.node)
            self._begin_to_doubt(error.node, now)
        else:
            self._anew = False
            self._rounds.failed(now)

    def _begin_to_doubt(self, first: str, now: float) -> None:
        self._doubt = self._at
        self._first = first
        self._rounds.restart()
        self._rounds.failed(now)

    def _end(self) -> CounterError:
        code, message, node = self._why
        if self._doubt is None:
            return DefiniteError(code, message, node=node, counts=self._counts)
        if self._last not in ("", message):
            message = f"{message}; then: {self._last}"
        return IndefiniteError(code, message, node=node, counts=self._counts)
