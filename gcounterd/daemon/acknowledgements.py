"""Acknowledgements: requests that wait until other members hold what they counted.

Theory. The node tells once for all requests of a commit that ask the same; here they wait on one
Event, so that an answer costs a wake-up per commit and not per request. This module refuses to know
who has to hold what, and when that is so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from gcounterd.counters.counters import Counters
from gcounterd.ids import ID_BYTES, NodeId, node_of
from gcounterd.node.effects import AckDone, Effect
from gcounterd.node.levels import Level, Mark
from gcounterd.node.node import Node


@attrs.define(eq=False)
class _Waiting:
    """What requests wait for; `outcome` is set before `done`."""

    done: trio.Event = attrs.Factory(trio.Event)
    outcome: AckDone | None = None


class Acknowledgements:
    """The requests that wait, by the node's number of their wait."""

    def __init__(
        self,
        node: Node,
        carry_out: Callable[[Sequence[Effect]], None],
        count: Callable[[str], None],
    ) -> None:
        """`count` is told of every request that was answered before it was held as it asked."""
        self._node = node
        self._carry_out = carry_out
        self.count = count
        self._waiting: dict[int, _Waiting] = {}

    def done(self, outcome: AckDone) -> None:
        """Tell those who wait."""
        waiting = self._waiting.pop(outcome.number, None)
        if waiting is not None:
            waiting.outcome = outcome
            waiting.done.set()

    async def wait(self, mark: Mark, level: Level, seconds: float, others: int = 0) -> AckDone:
        """Wait until `mark` is held as `level` says and by so many others, or so many seconds."""
        now = trio.current_time()
        number, effects = self._node.acknowledge(mark, level, now, seconds, others)
        waiting = self._waiting.get(number)
        if waiting is None:
            waiting = self._waiting[number] = _Waiting()
            self._carry_out(effects)  # the others of the commit share what the first began
        await waiting.done.wait()
        assert waiting.outcome is not None
        if waiting.outcome.reached < level:
            self.count("not_held")
        return waiting.outcome


def written_by(node: NodeId, counters: Counters) -> Mark:
    """Return the heads of all columns that a node wrote; forgotten ones are everywhere anyway."""
    first, last = node + bytes(ID_BYTES), node + b"\xff" * ID_BYTES
    lines = counters.settled.between(first, last).items()
    closed = [(column, line.version) for column, line in lines if not line.forgotten]
    heads = counters.heads().items()
    return (*closed, *((column, head) for column, head in heads if node_of(column) == node))
