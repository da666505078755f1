"""Suspecting: S5 to S8. What is said of a member that answers, and of one that does not.

Theory. A suspicion is a race between a refutation and a deadline. The refutation must come however
old the accusation is, the deadline must depend on independent accusers only, a new incarnation
must begin a new race, and watching others die must not make a node doubt itself. Each was wrong in
a detector that people use.
"""

from __future__ import annotations

from gcounterd.members.claims import Liveness
from gcounterd.members.suspicions import Accusation
from gcounterd.members.timing import LAN
from gcounterd.node.messages import Gossip
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import STEP_S, Stage

REFUTED_S_MAX = 2.0
# A claim is carried out in the step in which the simulated clock stands.
SLACK_S = 0.01


def hold_a_stale_suspicion(seed: int) -> float:
    """S5: one node suspects another at an incarnation that this one has long refuted."""
    stage = Stage(seed, 3)
    late, target, third = stage.choose(3)
    stage.isolate(late)
    stage.say(third, target, Gossip((stage.claim(target, Liveness.SUSPECT, third),)))
    stage.until(lambda: stage.sees(late, target) is Liveness.SUSPECT, stage.death_bound, "S5")
    check(stage.cluster.node(target).detector.me.incarnation > 0, "S5", "nothing was refuted")
    if stage.rng.random() < 0.5:  # so that nobody else can say it
        stage.cluster.kill(third, power=True)
    stage.cluster.run(stage.rng.uniform(0, 5))
    stage.cluster.network.heal()
    met = stage.until(lambda: stage.sees(late, target) is Liveness.ALIVE, stage.merge_bound, "S5")
    stage.check_no_deaths([target], "S5")
    return met


def confirm_by_hearsay(seed: int) -> float:
    """S6: a member is silent; who passes an accusation on is no accuser, and no deadline moves."""
    stage = Stage(seed, nodes := 8)
    (silent,) = stage.choose(1)
    stage.cluster.kill(silent, power=True)
    died = stage.now
    first: dict[str, float] = {}
    while not stage.all_see(Liveness.DEAD, [silent]):
        check(stage.now - died < stage.death_bound, "S6", "never seen as dead")
        stage.cluster.run(STEP_S)
        for name in stage.running:
            _check_accusers(stage, name, silent)
    for seen in stage.cluster.chronicle.find("suspect", member=silent):
        first.setdefault(seen.host, seen.at)
    shortest = LAN.shortest(nodes)
    worst = 0.0
    for dead in stage.deaths([silent]):
        suspected = dead.at - min(first.values())
        check(suspected >= shortest - SLACK_S, "S6", f"dead after {suspected:.2f} s: {dead}")
        worst = max(worst, dead.at - died)
    return worst


def _check_accusers(stage: Stage, name: str, silent: str) -> None:
    """Check that all accusers that a node lists did accuse, each by a probe of its own."""
    for accusation in _accusations(stage, name, silent):
        accuser = next(h.name for h in stage.cluster.hosts.values() if h.node == accusation.accuser)
        own = [a for a in _accusations(stage, accuser, silent) if a.accuser == accusation.accuser]
        own_path = bool(own) and own[0].path != "told"
        check(own_path, "S6", f"{name} lists {accuser}, who did not accuse")


def _accusations(stage: Stage, name: str, of: str) -> tuple[Accusation, ...]:
    view = stage.cluster.node(name).detector.view(stage.host(of).node)
    return () if view is None else view.accusations


def suspect_again(seed: int) -> float:
    """S7: a member refutes, and is suspected again; the first deadline does not kill it."""
    stage = Stage(seed, 6)
    target, accuser, second, observer = stage.choose(4)
    chronicle = stage.cluster.chronicle
    for name in (accuser, second):  # two make the first suspicion as short as it gets
        stage.say(name, observer, Gossip((stage.claim(target, Liveness.SUSPECT, name),)))
    stage.until(
        lambda: bool(chronicle.find("refuted", member=target, host=observer)), REFUTED_S_MAX, "S7"
    )
    stage.cluster.run(stage.rng.uniform(0, LAN.shortest(6) - REFUTED_S_MAX))
    stage.isolate(target)  # so that this time it cannot refute
    again = stage.now
    stage.say(accuser, observer, Gossip((stage.claim(target, Liveness.SUSPECT, accuser),)))
    stage.until(lambda: stage.all_see(Liveness.DEAD, [target], stage.others(target)), 60.0, "S7")
    dead = chronicle.find("dead", member=target, host=observer)
    lasted = dead[0].at - again
    check(lasted >= LAN.shortest(6) - SLACK_S, "S7", f"dead after {lasted:.2f} s")
    return lasted


def watch_a_clean_crash(seed: int) -> float:
    """S8: one member dies; nobody who watches comes to doubt itself, at any moment."""
    stage = Stage(seed, 10)
    (victim,) = stage.choose(1)
    stage.cluster.kill(victim, power=stage.rng.random() < 0.7)
    died = stage.now
    end = died + stage.death_bound
    while stage.now < end:
        stage.cluster.run(STEP_S)
        for name in stage.running:
            health = stage.cluster.node(name).detector.health
            check(health == 0, "S8", f"{name} doubts itself: {health}")
    deaths = stage.deaths([victim], since=died)
    check(len(deaths) == len(stage.running), "S8", f"{len(deaths)} nodes noticed")
    return max(seen.at for seen in deaths) - died


SCENARIOS = (
    Scenario("S5", "a stale suspicion is answered", "s to refute", hold_a_stale_suspicion),
    Scenario("S6", "only who probed is an accuser", "s to be dead", confirm_by_hearsay),
    Scenario("S7", "a refuted suspicion never kills later", "s suspected", suspect_again),
    Scenario("S8", "nobody doubts itself over a clean crash", "s to be dead", watch_a_clean_crash),
)
