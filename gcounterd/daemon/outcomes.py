"""Outcomes: what becomes of a group commit, for all who wait for it.

Theory. Everyone whose increment is in a group waits for the same thing, so it is known once. Tasks
wait on one event. Whoever can go on by plain code is called in the very step in which it is known:
for a task to wake costs the loop more than an answer.

This module refuses to know how a group is committed.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from gcounterd.errors import ClientError
from gcounterd.node.levels import Mark

# Told where increments lie, or why they were not committed.
Act = Callable[[Mark, ClientError | None], None]


@attrs.define(eq=False)
class Outcome:
    """What becomes of the group that is gathering.

    error  set before `done` if it failed
    mark   where its increments lie, set before `done` if they are committed
    acts   are told in the step in which that is known, before those who wait
    """

    done: trio.Event = attrs.Factory(trio.Event)
    error: ClientError | None = None
    mark: Mark = ()
    _acts: list[Act] = attrs.Factory(list)

    async def wait(self) -> Mark:
        """Wait until it is committed; return where it lies, or raise `ClientError`."""
        if not self.done.is_set():
            await self.done.wait()
        if self.error is not None:
            error = self.error
            raise ClientError(error.status, error.code, error.message, definite=error.definite)
        return self.mark

    def then(self, act: Act) -> bool:
        """Have `act` told in the step in which it is known; False if it is known already."""
        if self.done.is_set():
            return False
        self._acts.append(act)
        return True

    def fail(self, error: ClientError) -> None:
        """Tell those who wait that it failed, unless they have been told what became of it."""
        if not self.done.is_set():
            self.error = error
            self._end()

    def succeed(self, mark: Mark) -> None:
        """Tell those who wait that it is committed, unless it failed."""
        if not self.done.is_set():
            self.mark = mark
            self._end()

    def _end(self) -> None:
        self.done.set()
        acts, self._acts = self._acts, []
        for act in acts:
            act(self.mark, self.error)
