"""A suspicion: who accuses a member of what, and until when it may refute.

Theory. Lifeguard (Dadgar, Phillips, Currey 2017): the first accuser may itself be the slow one, so
a suspicion starts long and gets shorter with each *independent* accusation, logarithmically. The
same accuser heard again, by whatever way, confirms nothing. Beyond Lifeguard, evidence is graded:
a port that refuses says that the host is up and the process is not there, which neither loss nor a
slow accuser can look like; seen by enough members, it shortens the suspicion to what a restart
needs. A deadline never moves away, however the cluster grows meanwhile, but for a time in which
this node itself heard nobody. Time here is the detector's.
"""

from __future__ import annotations

import attrs

from gcounterd.ids import NodeId
from gcounterd.members.claims import Evidence
from gcounterd.members.timing import Timing

# Accusations kept of one suspicion, for show and to tell who is independent; a suspicion is as
# short as it gets long before.
ACCUSATIONS_MAX = 16


@attrs.frozen
class Accusation:
    """Who accused, when we heard of it (loop seconds), what it saw, and over which path (words)."""

    accuser: NodeId
    at: float
    evidence: Evidence
    path: str


class Suspicion:
    """One member's, from the first accusation until it is refuted or the member is dead.

    due   when the member is dead if nothing happens
    """

    def __init__(self, first: Accusation, t: float, timing: Timing, members: int) -> None:
        self.accusations: dict[NodeId, Accusation] = {}
        self._started = t
        self._refused_at: list[float] = []
        self._not_before = 0.0
        self.due = float("inf")
        self.confirm(first, t, timing, members)

    def age(self, t: float) -> float:
        """Return for how long the member has been suspected here."""
        return t - self._started

    def confirm(self, accusation: Accusation, t: float, timing: Timing, members: int) -> bool:
        """Take an accusation in; return whether it made the suspicion shorter or is graver."""
        known = self.accusations.get(accusation.accuser)
        if known is not None and known.evidence >= accusation.evidence:
            return False
        if known is None and len(self.accusations) >= ACCUSATIONS_MAX:
            return False
        self.accusations[accusation.accuser] = accusation
        refused = accusation.evidence is Evidence.REFUSED
        if refused:
            self._refused_at.append(t)
        before, self.due = self.due, min(self.due, self._deadline(timing, members))
        return self.due < before or (refused and len(self._refused_at) <= timing.refused_needed)

    def _deadline(self, timing: Timing, members: int) -> float:
        confirmed = len(self.accusations) - 1
        due = self._started + timing.suspected_for(members, confirmed)
        needed = max(1, min(timing.refused_needed, members - 1))
        if len(self._refused_at) >= needed:
            due = min(due, self._refused_at[0] + timing.refused_after)
        return max(due, self._not_before)

    def wait_until(self, t: float) -> None:
        """Let nothing end this before `t`: its member may have refuted, and we not heard it.

        An end that was put off once is not put off again, or a slow process would never judge.
        """
        if self.due > self._not_before:
            self._not_before = t
            self.due = max(self.due, t)
