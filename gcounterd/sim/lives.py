"""Lives: which processes of a node ran when, held against those that end because of a twin.

Theory. Of two processes with one node id one ends, but never the last one: whoever ends must have
lived at the same time as another established process of its node, and that one must have been there
until just before. When all faults are over, each node has one process, no more and no less.

This module knows nodes only by what they say of themselves when they end.
"""

from __future__ import annotations

from collections.abc import Iterable

from gcounterd.ids import NodeId
from gcounterd.node.asking import ANSWER_GOOD_S
from gcounterd.node.giving_way import EXIT_TWIN
from gcounterd.sim.checkers import check
from gcounterd.sim.process import Process

# A process that ends may have outlived its twin by so much: how long the twin may take to answer,
# how long the answer is good for, and how long a dial may take.
OUTLIVED_S_MAX = 1.5 + ANSWER_GOOD_S + 3.0
# What a process says that ends because of a twin.
_TWIN_WORDS = "another process with this node's id"


class Lives:
    """When the last established process of each node ended."""

    def __init__(self) -> None:
        self._ended: dict[NodeId, float] = {}

    def ended(self, process: Process, now: float) -> None:
        """Note the end of a process, whatever it was."""
        if process.node.twins.established:
            self._ended[process.node.config.node] = now

    def gave_way(
        self, process: Process, code: int, text: str, running: Iterable[Process], now: float
    ) -> bool:
        """Say whether a process ended by itself because of a twin; check that it had one."""
        if code != EXIT_TWIN or _TWIN_WORDS not in text:
            return False
        node = process.node.config.node
        others = [
            other
            for other in running
            if other is not process
            and other.node.config.node == node
            and other.node.twins.established
            and not other.node.twins.yielding
        ]
        outlived = self._ended.get(node, process.began)
        recent = outlived > max(process.began, now - OUTLIVED_S_MAX)
        check(bool(others) or recent, "no lone process ends", f"{process.host} was alone")
        return True


def check_one_each(running: Iterable[Process], nodes: Iterable[NodeId]) -> None:
    """Check that each of `nodes` has one process."""
    lives = sorted(process.node.config.node for process in running)
    wanted = sorted(dict.fromkeys(nodes))
    text = f"{len(lives)} processes for {len(wanted)} nodes"
    check(lives == wanted, "one process for each node", text)
