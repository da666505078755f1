"""Splits: P1 to P3. Networks break for longer than anybody remembers, and come back.

Theory. Whoever forgets the dead never looks for them again; the most repeated failure of all that
descends from SWIM. Here members stay on the roster, so a split of any length must heal by itself,
and what each side believed of the other must hurt nobody when they meet.
"""

from __future__ import annotations

from gcounterd.members.claims import Liveness
from gcounterd.node.messages import Gossip
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import Stage

# memberlist keeps its dead for 30 s; this is ten times as long.
SPLIT_S = 300.0


def heal_a_long_split(seed: int) -> float:
    """P1: a third and two thirds count on by themselves, and merge."""
    stage = Stage(seed, 6)
    left = stage.choose(2)
    right = stage.others(*left)
    stage.cluster.split(left, right)
    stage.until(lambda: _are_apart(stage, left, right), stage.death_bound, "P1")
    stage.count(*stage.names)
    stage.cluster.run(SPLIT_S + stage.rng.uniform(0, 30))
    healed = stage.now
    stage.cluster.network.heal()
    took = stage.until(stage.agrees, stage.merge_bound, "P1")
    stage.check_no_deaths(stage.names, "P1", since=healed)
    stage.finish()
    return took


def _are_apart(stage: Stage, left: list[str], right: list[str]) -> bool:
    dead = Liveness.DEAD
    return stage.all_see(dead, right, by=left) and stage.all_see(dead, left, by=right)


def bring_back_a_lone_node(seed: int) -> float:
    """P2: one node is cut off, notices, perhaps restarts without its seeds, and comes back."""
    stage = Stage(seed, 5)
    (lone,) = stage.choose(1)
    stage.isolate(lone)
    stage.count(*stage.names)
    stage.until(lambda: stage.cluster.node(lone).detector.alone, stage.death_bound, "P2")
    check(len(stage.cluster.chronicle.find("alone", host=lone)) == 1, "P2", "it said so not once")
    restarts = stage.rng.random() < 0.5
    if restarts:
        stage.cluster.kill(lone)
        stage.host(lone).seeds = ()
        stage.cluster.start(lone)
    stage.cluster.run(SPLIT_S)
    stage.cluster.network.heal()
    took = stage.until(stage.agrees, stage.merge_bound, "P2")
    if not restarts:
        company = stage.cluster.chronicle.find("company", host=lone)
        check(len(company) == 1, "P2", f"{len(company)} times in company again")
    stage.finish()
    return took


def meet_after_many_refutations(seed: int) -> float:
    """P3: both sides hold the other for dead at incarnations that were raised before."""
    stage = Stage(seed, 6)
    for _ in range(stage.rng.randint(2, 6)):
        accuser, accused = stage.choose(2)
        claim = stage.claim(accused, Liveness.SUSPECT, accuser)
        stage.say(accuser, accused, Gossip((claim,)))
        stage.cluster.run(1.0)
    left = stage.choose(3)
    right = stage.others(*left)
    stage.cluster.split(left, right)
    stage.until(lambda: _are_apart(stage, left, right), stage.death_bound, "P3")
    stage.cluster.run(stage.rng.uniform(0, 20))
    healed = stage.now
    stage.cluster.network.heal()
    took = stage.until(stage.agrees, stage.merge_bound, "P3")
    stage.cluster.run(stage.death_bound)
    stage.check_no_deaths(stage.names, "P3", since=healed)
    stage.finish()
    return took


SCENARIOS = (
    Scenario("P1", "a split of minutes heals without an operator", "s to agree", heal_a_long_split),
    Scenario("P2", "a lone node notices and comes back", "s to agree", bring_back_a_lone_node),
    Scenario(
        "P3",
        "two sides that hold each other for dead merge, and nobody dies of it",
        "s to agree",
        meet_after_many_refutations,
    ),
)
