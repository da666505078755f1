"""What every call has in common: attempts, pauses, rounds over the addresses, and one deadline.

Theory. A call is a machine without I/O. Its shell asks for the next `step`, does it, and tells
what came of it in one of three ways, the only three there are: `answered`, `not_sent` (no byte can
have reached the node, so nothing happened there) and `lost` (some may have). So the threads' and
Trio's shells differ in how they wait and in nothing else, and what is decided can be tested
without a socket.

Within a round each address is tried once; between rounds the call pauses, longer each time. Times
are seconds of a clock that never goes back, told as `now`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gcounterd.client.answers import Answer
from gcounterd.client.limits import PAUSE_S_MAX, PAUSE_S_MIN
from gcounterd.client.nodes import Address
from gcounterd.client.requests import Request

Result = TypeVar("Result", covariant=True)


class NotSentError(Exception):
    """The request did not reach the node: nothing was counted."""


class LostError(Exception):
    """The connection ended, or time did, before the answer. `node`: who answered on it before."""

    def __init__(self, message: str, *, code: str = "lost", node: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.node = node


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send this there, and wait at most so long for the answer.

    fresh  on a new connection, which a balancer may lead to another node
    """

    address: Address
    request: Request
    wait_s: float
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so long, then ask again."""

    seconds: float


Step = Attempt | Pause


class Call(Protocol[Result]):
    """One call, from the first attempt to its result. `step` raises `CounterError` at its end."""

    def step(self, now: float) -> Step:
        """Return what is to be done next."""
        ...

    def answered(self, answer: Answer, now: float) -> Result | None:
        """Take in an answer; return the result if that was it. May raise `CounterError`."""
        ...

    def not_sent(self, error: NotSentError, now: float) -> None:
        """Learn that the last attempt did not reach anybody."""
        ...

    def lost(self, error: LostError, now: float) -> None:
        """Learn that the last attempt may have reached somebody, and was not answered."""
        ...


class Rounds:
    """Hands out addresses round by round until a deadline, with a growing pause in between."""

    def __init__(self, now: float, timeout_s: float) -> None:
        self.deadline = now + timeout_s
        self._waiting: list[Address] = []
        self._pause_s = PAUSE_S_MIN
        self._not_before = now

    def left(self, now: float) -> float:
        """Return the seconds until the deadline, below 0 after it."""
        return self.deadline - now

    def pause(self, now: float) -> Pause | None:
        """Return how long to wait before the next attempt, None if it is due."""
        if now >= self._not_before:
            return None
        return Pause(max(min(self._not_before, self.deadline) - now, 0.0))

    def next(self, candidates: Sequence[Address]) -> Address:
        """Return the next address of this round; a new round begins with these candidates."""
        if not self._waiting:
            self._waiting = list(candidates)
        return self._waiting.pop(0)

    @property
    def remaining(self) -> int:
        """Return how many addresses are left in this round."""
        return len(self._waiting)

    def failed(self, now: float) -> None:
        """End an attempt in vain: after the last one of a round comes a pause."""
        if not self._waiting:
            self._not_before = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, PAUSE_S_MAX)

    def again(self, address: Address) -> None:
        """Try this address next, at once."""
        self._waiting.insert(0, address)

    def restart(self) -> None:
        """Forget what is left of this round, since the candidates are others now."""
        self._waiting.clear()
