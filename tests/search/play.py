"""Playing: one schedule, written as text.

Theory. What the search prints can be put into a test as it stands: the same names lead to the
same steps, on the real code, one after another. `play` raises where an action is not possible, so
a schedule that the code has outgrown fails loudly instead of passing for nothing.
"""

from __future__ import annotations

from tests.search.actions import Action, enabled, perform, spell
from tests.search.cluster import Cluster, State
from tests.search.ground import HOSTS, Kept, first_disk
from tests.search.locals import Locals
from tests.search.quiet import settle
from tests.search.scopes import Scope

# Everything is possible as often as a schedule asks for it.
EVERYTHING = Scope(
    "everything", "any schedule", keys=2, increments=9, crashes=99, rewinds=99, wakes=99,
    repeats=99, links=99, lives=99, checkpoints=9, splits=True, syncs=True,
    removed="abc", forces=True,
    finishes=True, loses=True,
)  # fmt: skip


def begin(states: Locals) -> State:
    """Return a cluster of three members that are connected, agree and never counted."""
    kept = Kept(first_disk())
    hosts = tuple(states.dead(index, kept) for index in range(len(HOSTS)))
    cluster = Cluster(states, State(hosts), 0)
    settle(cluster)
    assert not cluster.complaint, cluster.complaint
    return State(tuple(cluster.hosts))


class ScheduleError(Exception):
    """An action of a schedule is not possible where it stands."""


def play(states: Locals, state: State, schedule: str, *, fused: bool = False) -> tuple[State, str]:
    """Take the actions of a schedule, separated by semicolons or lines; `fused` as its scope is.

    Return the state after them and the first complaint; raise `ScheduleError`.
    """
    for words in schedule.replace("\n", ";").split(";"):
        text = " ".join(words.split())
        if not text:
            continue
        possible: dict[str, Action] = {}
        for action in enabled(EVERYTHING, states, state):
            possible.setdefault(spell(states, action), action)
        if text not in possible:
            raise ScheduleError(f"{text!r} is not possible; possible: {', '.join(possible)}")
        cluster = Cluster(states, state, EVERYTHING.repeats)
        perform(cluster, possible[text], fused=fused)
        state = cluster.state
        if cluster.complaint:
            return state, cluster.complaint
    return state, ""
