"""The machine: the same actions under Hypothesis, which shortens what it finds.

Theory. The search is complete to its depth and blind beyond; random schedules of fifty steps see
what lies there now and then, and Hypothesis takes steps away until what is left is needed. Every
step is checked as in the search; at the end everybody is connected and heard.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.search.actions import enabled, perform, spell
from tests.search.cluster import Cluster, State
from tests.search.locals import Locals
from tests.search.play import begin
from tests.search.quiet import Quiet
from tests.search.scopes import Scope

# Of everything something, and syncs, so that thirty steps lead somewhere.
ANYTHING = Scope(
    "anything", "any schedule", keys=2, increments=9, crashes=6, rewinds=2, wakes=6, repeats=4,
    links=6, lives=5, checkpoints=9, splits=True, syncs=True,
    removed="abc", forces=True, finishes=True,
)  # fmt: skip


class ClusterMachine(RuleBasedStateMachine):
    """Three hosts, to which anything may happen; `small` must be in force."""

    def __init__(self) -> None:
        super().__init__()
        self._locals = Locals()
        self._state: State = begin(self._locals)
        self.schedule: list[str] = []

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        """Let one of the possible actions happen."""
        possible = list(enabled(ANYTHING, self._locals, self._state))
        # A draw of the verb first: else the many messages would hide the few crashes.
        verb = data.draw(st.sampled_from(list(dict.fromkeys(action[0] for action in possible))))
        action = data.draw(st.sampled_from([each for each in possible if each[0] == verb]))
        self.schedule.append(spell(self._locals, action))
        cluster = Cluster(self._locals, self._state, ANYTHING.repeats)
        perform(cluster, action)
        assert not cluster.complaint, f"{cluster.complaint}\n" + "; ".join(self.schedule)
        self._state = cluster.state

    def teardown(self) -> None:
        """Connect everybody, deliver everything."""
        complaint = Quiet(self._locals).check(self._state)
        assert not complaint, f"{complaint}\n" + "; ".join(self.schedule)
