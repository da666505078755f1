"""The exploration: breadth first, each state once, to a depth, within seconds.

Theory. Breadth first means that the first violation found has the fewest steps there are. A state
that was met before is not looked at again; of a state only a number of 64 bits is kept, so with
ten million states there is a chance of one in a million that one was taken for another and left
out.

*Order that does not matter is not tried twice.* Let s lead to a state and t be possible there,
with footprints that do not meet and t before s in the order of actions. Then t was possible
before s and the other order leads to the same state in as many steps, so t is skipped here. No
state is lost: the way that replaces a skipped one ends in a later action (s instead of t), so
replacing ends after finitely many times, at a way that is tried. (These are sleep sets of one
step; they save steps, not states, and need nothing from the states in between, so they agree with
looking at states once.)
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable

import attrs

from tests.search.actions import Action, enabled, footprint, perform, spell
from tests.search.cluster import Cluster, State
from tests.search.locals import Locals
from tests.search.quiet import Quiet
from tests.search.scopes import Scope

# The clock is asked after so many states.
_STATES_PER_LOOK = 64


@attrs.define
class Found:
    """What a search came to.

    depth      every schedule of so many steps was tried
    partly     of the next step, how much of the states before it was looked at, from 0 to 1
    ended      there is nothing deeper
    states     different states of clusters; steps  taken between them
    local_states, local_steps    of single hosts, on the real code
    quiets     states after which everybody was connected and heard
    complaint, schedule    the first violation, and what leads to it
    """

    scope: Scope
    depth: int = 0
    partly: float = 0.0
    ended: bool = False
    states: int = 0
    steps: int = 0
    local_states: int = 0
    local_steps: int = 0
    messages: int = 0
    quiets: int = 0
    seconds: float = 0.0
    complaint: str = ""
    schedule: tuple[str, ...] = ()
    did: Counter[str] = attrs.Factory(Counter)


# States of one depth, with their number and the action that led there.
Level = list[tuple[State, int, Action | None]]


class Exploration:
    """One search under way."""

    def __init__(
        self,
        scope: Scope,
        states: Locals,
        start: State,
        seconds: float,
        depth_max: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.found = Found(scope)
        self._scope, self._locals, self._start = scope, states, start
        self._clock, self._began = clock, clock()
        self._ends = self._began + seconds
        self._depth_max = depth_max
        self._seen: set[int] = set()
        # By number of a state: the number of the state before it, and the action between.
        self._before = array("q")
        self._actions: list[Action | None] = []
        self._quiet = Quiet(states)

    def run(self) -> Found:
        """Search until the depth, the time, the states or a violation end it."""
        self._note(self._start, -1, None)
        level: Level = [(self._start, 0, None)]
        while level and self.found.depth < self._depth_max and not self.found.complaint:
            deeper = self._deepen(level)
            if deeper is None:
                break
            self.found.depth += 1
            level = deeper
        self.found.ended = not level
        found, states = self.found, self._locals
        found.states, found.seconds = len(self._actions), self._clock() - self._began
        found.local_states, found.local_steps = len(states.looks), states.steps
        found.messages = len(states.frames)
        found.quiets = self._quiet.done
        return found

    def _note(self, state: State, before: int, action: Action | None) -> int | None:
        """Return the number of a new state, None of one that was met."""
        mark = hash(state)
        if mark in self._seen:
            return None
        self._seen.add(mark)
        self._before.append(before)
        self._actions.append(action)
        return len(self._actions) - 1

    def _deepen(self, level: Level) -> Level | None:
        """Return the new states one step deeper; None if time or a violation came first."""
        deeper: Level = []
        for at, (state, number, last) in enumerate(level):
            if at % _STATES_PER_LOOK == 0 and self._clock() > self._ends:
                self.found.partly = at / len(level)
                return None
            # Where links are dropped by hosts themselves, a step may touch more than its footprint.
            can_skip = last is not None and not self._scope.removed
            area = footprint(last) if last else 0
            for action in enabled(self._scope, self._locals, state):
                if can_skip and last and action < last and not footprint(action) & area:
                    continue
                if not self._try(state, number, action, deeper):
                    return None
        return deeper

    def _try(
        self,
        state: State,
        number: int,
        action: Action,
        deeper: Level,
    ) -> bool:
        self.found.steps += 1
        self.found.did[action[0]] += 1
        cluster = Cluster(self._locals, state, self._scope.repeats)
        perform(cluster, action, fused=self._scope.fused)
        after = cluster.state
        new = self._note(after, number, action)
        if new is None:
            return True
        deeper.append((after, new, action))
        complaint = cluster.complaint or self._quiet.check(after)
        if not complaint:
            return True
        self.found.complaint, self.found.schedule = complaint, self._schedule(new)
        return False

    def _schedule(self, number: int) -> tuple[str, ...]:
        """Return the actions that lead to a state, from where the search began."""
        told: list[str] = []
        while (action := self._actions[number]) is not None:
            told.append(spell(self._locals, action))
            number = self._before[number]
        return tuple(reversed(told))
