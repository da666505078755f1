"""Floods: Q1 and Q2. Rumours that crowd out what matters, and rumours that never end.

Theory. What is told of members grows with the members and their changes, so it has a budget of its
own, on a connection of its own, and of each member only the newest is told. And it ends: each node
tells each claim a fixed number of times, and nobody forgets what would make an old claim new.
"""

from __future__ import annotations

from functools import partial

from gcounterd.members.claims import Liveness
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import HITS, Stage

# As long as an increment may take to all: a push, or one round of repair where links broke.
VISIBLE_S_MAX = 3.0
QUIET_S = 60.0


def count_in_a_storm(seed: int) -> float:
    """Q1: a third of a large cluster dies or comes and goes; counts reach all as ever."""
    stage = Stage(seed, nodes := _nodes(seed))
    victims = stage.choose(nodes // 3)
    well = stage.others(*victims)
    for name in victims:
        stage.cluster.kill(name, power=stage.rng.random() < 0.5)
        if stage.rng.random() < 0.5:
            stage.start_after(stage.rng.uniform(1, 15), name)
    worst, most = 0.0, 0
    for total in range(1, 11):
        stage.count(stage.rng.choice(well))
        took = stage.until(partial(_show, stage, well, total), VISIBLE_S_MAX, "Q1")
        worst = max(worst, took)
        stage.cluster.run(stage.rng.uniform(0, 2))
        most = max(most, *(stage.cluster.node(name).detector.telling for name in well))
    check(most <= 16 * nodes, "Q1", f"{most} rumours wait at one node")
    stage.check_no_deaths(well, "Q1")
    return worst


def _nodes(seed: int) -> int:
    if seed % 50 != 49:
        return 24
    return 200 if seed % 200 == 199 else 120


def _show(stage: Stage, names: list[str], total: int) -> bool:
    return all(stage.cluster.value(name, HITS) == total for name in names)


def fall_silent(seed: int) -> float:
    """Q2: some die, some leave, others restart; soon nobody tells anything, and nobody returns."""
    stage = Stage(seed, 9)
    dead, left, *rest = stage.choose(9)
    stage.cluster.kill(dead, power=True)
    stage.cluster.stop(left)
    stage.until(lambda: stage.all_see(Liveness.DEAD, [dead]), stage.death_bound, "Q2")
    silent = stage.until(lambda: not _tell(stage), QUIET_S, "Q2")
    for name in stage.rng.sample(rest, 3):  # what they knew is only on their disks now
        stage.cluster.kill(name)
        stage.cluster.start(name)
        stage.cluster.run(stage.rng.uniform(0, 10))
    stage.cluster.run(stage.death_bound)  # they ask for themselves first, and are told then
    silent = max(silent, stage.until(lambda: not _tell(stage), QUIET_S, "Q2"))
    told = sum(process.node.detector.told for process in stage.cluster.running)
    back = stage.cluster.chronicle.find("back", member=dead)
    check(not back, "Q2", f"the dead came back: {back[:1]}")
    stage.cluster.run(QUIET_S)
    more = sum(process.node.detector.told for process in stage.cluster.running) - told
    check(more == 0, "Q2", f"{more} rumours told of nothing")
    check(stage.all_see(Liveness.DEAD, [dead]), "Q2", stage.describe())
    check(stage.all_see(Liveness.LEFT, [left]), "Q2", stage.describe())
    return silent


def _tell(stage: Stage) -> bool:
    return any(process.node.detector.telling for process in stage.cluster.running)


SCENARIOS = (
    Scenario("Q1", "rumours do not delay counts", "s to show a count", count_in_a_storm, 0.5),
    Scenario("Q2", "rumours end, and the dead stay dead", "s to be silent", fall_silent),
)
