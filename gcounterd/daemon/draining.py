"""Draining: a node that takes no increments and stays a member.

Theory. It probes, gossips, serves reads and hands over as before; only nothing new begins here, so
clients move on before it is stopped or removed. Who is refused is told where to go: to members that
are alive, in an order drawn anew, since refused clients that all went to the same one would be a
crowd. Balancers look at readiness only now and then, so a node is not ready first and goes on
counting for a delay, by the end of which nobody should be sent here any more. What an operator
began an operator ends; stopping ends only with the process, and nothing of it is written down, so a
process that was started anew counts.

This module refuses to know who asks for it: HTTP, a signal, the end of the process.
"""

from __future__ import annotations

import random

import trio

from gcounterd.daemon.condition import Condition
from gcounterd.daemon.logs import get_logger
from gcounterd.errors import ClientError
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import Entry, State
from gcounterd.node.node import Node

log = get_logger("gcounterd.draining")

# Members named to a client that is refused: enough that one of them is up, few enough to read.
OTHERS_SHOWN_MAX = 4
# How long one answer to "who else?" serves: refused clients come by the thousand, and finding out
# takes a look at every member.
OTHERS_GOOD_S = 1.0

_OPERATOR, _STOPPING = "operator", "stopping"


class Draining:
    """Whether this node drains, and what a client is told then."""

    def __init__(self, node: Node, condition: Condition, delay_s: float = 0.0) -> None:
        """`delay_s` is how long increments are taken after readiness has ended."""
        self._node = node
        self._delay_s = delay_s
        self._refuses_at = 0.0
        self._draining = condition.draining
        self._others: list[dict[str, object]] = []
        self._looked = -float("inf")

    @property
    def stopping(self) -> bool:
        """Say whether it drains because the process ends."""
        return _STOPPING in self._draining

    def begin(self, by: str) -> None:
        """Drain until `end`, because of an operator; `by` says how it was asked for."""
        if _OPERATOR not in self._draining:
            log.info("drained", by=by)
            self._note()
            self._draining[_OPERATOR] = "draining: an operator asked for it; undrain ends it"

    def end(self) -> bool:
        """Take back what `begin` did; return whether the node still drains for other reasons."""
        if self._draining.pop(_OPERATOR, None) is not None:
            log.info("undrained")
        return bool(self._draining)

    def stop(self) -> None:
        """Drain to the end of the process."""
        self._note()
        self._draining[_STOPPING] = "stopping"

    def _note(self) -> None:
        """Take note that readiness ends, if it has not ended already."""
        if not self._draining:
            self._refuses_at = trio.current_time() + self._delay_s

    def left(self) -> float:
        """Return for how many seconds increments are still taken, where this node drains."""
        return max(0.0, self._refuses_at - trio.current_time())

    def check(self) -> None:
        """Raise `ClientError` 503 `draining`, with other members, if this node drains for good."""
        if self._draining and not self.left():
            others = self._look()
            names = ", ".join(f"{other['node']} ({other['address']})" for other in others)
            where = f"count at another node: {names}" if others else "no other member is alive"
            why = "; ".join(self._draining.values())
            raise ClientError(
                503,
                "draining",
                f"this node takes no increments ({why}): {where}",
                details={"others": others},
            )

    def _look(self) -> list[dict[str, object]]:
        now = trio.current_time()
        if now >= self._looked + OTHERS_GOOD_S:
            alive = [entry for entry in self._node.roster.belonging() if self._is_alive(entry)]
            drawn = random.sample(alive, min(len(alive), OTHERS_SHOWN_MAX))
            self._others = [
                {"node": self._node.roster.label(entry.node), "address": entry.address}
                for entry in drawn
            ]
            self._looked = now
        return self._others

    def _is_alive(self, entry: Entry) -> bool:
        if entry.node == self._node.config.node or entry.state is not State.ACTIVE:
            return False
        view = self._node.detector.view(entry.node)
        return view is not None and view.liveness is Liveness.ALIVE
