"""The recorder: operations get their moments from one clock, and become a history as they end.

An operation that never ends is closed with the recording: nobody knows what became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from tests.histories.history import History, Loss, Operation, Outcome


class Recorder:
    """Records; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.history = History()
        self._clock = clock
        self._open: dict[str, Operation] = {}

    def begin(self, client: str, place: str, key: str, **asked: Any) -> Operation:
        """Note that a client, which waits for nothing else, sends something now."""
        assert client not in self._open, f"{client} waits already"
        now = self._clock()
        operation = Operation(client, place, key, now, now, Outcome.UNKNOWN, **asked)
        self._open[client] = operation
        return operation

    def end(
        self, operation: Operation, outcome: Outcome, value: int | None = None, **known: Any
    ) -> Operation:
        """Note that its answer has come, or that the client does not wait any more."""
        assert self._open.pop(operation.client) is operation
        ended = attrs.evolve(
            operation, returned=self._clock(), outcome=outcome, value=value, **known
        )
        self.history.operations.append(ended)
        return ended

    def lose(self, place: str) -> None:
        """Note that a disk is lost, or replaced by an older one, or out of reach."""
        self.history.losses.append(Loss(place, self._clock()))

    def close(self) -> History:
        """End what is open, and return the history."""
        for operation in list(self._open.values()):
            self.end(operation, Outcome.UNKNOWN)
        return self.history
