"""Steering: faults that are brought to the phases of removals, and what met what.

Theory. A phase of a removal may last for some milliseconds, so faults that come by chance hardly
ever meet one. So whoever steers looks out for removals that enter a phase and lets a fault strike
there soon, each kind in its turn: over a range of seeds every kind meets every phase. What struck
in which phase is counted, also that a pair never came (with 0), so that the report can tell that
something is not tested.

Steering refuses to know what a fault does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from gcounterd.ids import NodeId
from gcounterd.sim.cluster import Cluster

# What a pair of a phase and a fault begins with in the tally.
CELL = "removal: "
PHASES = ("draining", "saving", "closing")
# How often is looked for removals that enter a phase; how soon after that a fault strikes, and the
# next one where it lasts; and how many do.
LOOK_S = 0.02
SOON_S = (0.0, 0.03)
AGAIN_S = (0.01, 0.3)
STRIKES_MAX = 4
# One in so many phases passes without a fault of ours.
SPARED = 4
# By so many kinds the turns of two seeds are apart; it has no divisor in common with the number of
# kinds, so that each kind comes first at some seed.
TURNS_PER_SEED = 5

Kind = Callable[[], None]


class Steering:
    """The faults of one seed that meet removals; `ended` once no more is to happen."""

    def __init__(self, cluster: Cluster, rng: Random, kinds: Sequence[Kind]) -> None:
        self._cluster = cluster
        self._rng = rng
        self._kinds = kinds
        self._seen: dict[tuple[NodeId, str], None] = {}
        self._turns = dict.fromkeys(PHASES, cluster.world.seed * TURNS_PER_SEED)
        self.ended = False
        for phase in PHASES:
            for kind in kinds:
                cluster.tally[_cell(phase, kind)] += 0
        self._look()

    def strike(self, kind: Kind) -> None:
        """Let a fault strike, and note in which phases removals were then."""
        for phase in dict.fromkeys(self._phases().values()):
            self._cluster.tally[_cell(phase, kind)] += 1
        self._cluster.world.note(kind.__name__.encode())
        kind()

    def _phases(self) -> dict[NodeId, str]:
        """Return the phase of each removal that is not finished, as somebody sees it."""
        found = {}
        for process in self._cluster.running:
            removing = process.node.removing
            for saving in removing.savings:
                found[saving.target] = removing.report(saving.target).phase
        return {node: phase for node, phase in found.items() if phase in PHASES}

    def _look(self) -> None:
        if self.ended:
            return
        for node, phase in self._phases().items():
            if (node, phase) not in self._seen:
                self._seen[node, phase] = None
                if self._rng.randrange(SPARED):
                    self._after(SOON_S, phase, STRIKES_MAX)
        self._cluster.world.after(LOOK_S, self._look)

    def _after(self, seconds: tuple[float, float], phase: str, times: int) -> None:
        self._cluster.world.after(self._rng.uniform(*seconds), self._strike_in, phase, times)

    def _strike_in(self, phase: str, times: int) -> None:
        """Let the next kind of a phase strike, if some removal still is in that phase."""
        if self.ended or phase not in self._phases().values():
            return
        turn = self._turns[phase]
        self._turns[phase] += 1
        self.strike(self._kinds[turn % len(self._kinds)])
        if times > 1:
            self._after(AGAIN_S, phase, times - 1)


def _cell(phase: str, kind: Kind) -> str:
    return f"{CELL}{phase} x {kind.__name__.strip('_')}"
