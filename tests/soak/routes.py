"""Routes: N1 to N4. Networks that work one way, partly, or not where somebody says he is.

Theory. A grey failure is one that some see and others do not. Over TCP a route that works one way
only soon works for nobody, since answers to what was sent are missing; what is left is that
everybody must come to the same view, must not change it without end, and that nobody beside the
one who is ill is touched. Loss is delay.
"""

from __future__ import annotations

from gcounterd.members.claims import Liveness
from gcounterd.members.timing import LAN
from gcounterd.node.messages import Channel
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import STEP_S, Stage

CYCLES = 3
HALF_CYCLE_S = 20.0
# Of a member that comes and goes with its route: it dies and is back once in each cycle, once more
# if it is found by chance meanwhile.
FLAPS_PER_CYCLE_MAX = 4
# Of one that loses most of what it says, nothing but the length of a suspicion holds it back.
FLAPS_PER_S_MAX = 2 / (LAN.shortest(10) + LAN.interval)
# How long those who are well may differ about who lives: for a suspicion's worth of hearsay, and
# one comparison of tables.
DIVERGENCE_S_MAX = 5.0
# ScaleCube's sweep: 2 * (3 * log2 N + 1) rounds.
DELAYS_S = (0.002, 0.1)
LOSSES = (0.01, 0.1, 0.25)


def work_one_way_now_and_then(seed: int) -> float:
    """N1: one of ten hears nobody for 20 s, then all, three times."""
    stage = Stage(seed, 10)
    (ill,) = stage.choose(1)
    began = stage.now
    worst = 0.0
    for _ in range(CYCLES):
        for name in stage.others(ill):
            stage.cluster.network.block(name, ill)
        worst = max(worst, _watch(stage, ill, HALF_CYCLE_S))
        stage.cluster.network.heal()
        worst = max(worst, _watch(stage, ill, HALF_CYCLE_S))
        check(stage.everyone_sees_everyone(), "N1", stage.describe())
    _check_flaps(stage, ill, began, "N1", CYCLES * FLAPS_PER_CYCLE_MAX)
    stage.finish()
    return worst


def lose_most(seed: int) -> float:
    """N1: four fifths of what one of ten sends is lost for a minute."""
    stage = Stage(seed, 10)
    (ill,) = stage.choose(1)
    began = stage.now
    for name in stage.others(ill):
        stage.cluster.network.lose(ill, name, 0.8)
    worst = _watch(stage, ill, CYCLES * HALF_CYCLE_S)
    _check_flaps(stage, ill, began, "N1, loss", FLAPS_PER_S_MAX * (stage.now - began))
    stage.cluster.network.heal()
    stage.until(stage.everyone_sees_everyone, stage.merge_bound, "N1, loss")
    stage.finish()
    return worst


def _watch(stage: Stage, ill: str, seconds: float) -> float:
    """Let time pass; return for how long at most those who are well differed about who is ill."""
    well = stage.others(ill)
    end, worst, since = stage.now + seconds, 0.0, stage.now
    while stage.now < end:
        stage.cluster.run(STEP_S)
        dead = [stage.sees(name, ill) is Liveness.DEAD for name in well]
        since = stage.now if all(dead) or not any(dead) else since
        worst = max(worst, stage.now - since)
        check(worst <= DIVERGENCE_S_MAX, "N1", f"views differ for {worst:.1f} s")
    return worst


def _check_flaps(stage: Stage, ill: str, began: float, scenario: str, most: float) -> None:
    """Check that nobody who is well died, and that nobody changed its mind without end."""
    well = stage.others(ill)
    stage.check_no_deaths(well, scenario, by=well, since=began)
    for name in stage.others(ill):
        found = stage.cluster.chronicle.find("dead", "back", member=ill, host=name, since=began)
        check(len(found) <= most, scenario, f"{name} changed its mind {len(found)} times")


def advertise_a_wrong_address(seed: int) -> float:
    """N2: a newcomer says that it can be reached where it cannot; it is told, and is no member."""
    stage = Stage(seed, nodes := 5)
    began = stage.now
    newcomer = stage.cluster.add_host("new", seeds=("n1:7700", "n2:7700"))
    newcomer.address = "nowhere:7700"
    network = stage.cluster.network
    if stage.rng.random() < 0.5:  # else that host refuses
        network.hosts["nowhere:7700"] = "nowhere"
        network.switch_off("nowhere")
    process = stage.cluster.start("new")
    del network.listening["nowhere:7700"]
    network.listening["new:7700"] = process
    stage.cluster.run(60.0)
    check(stage.cluster.tally["hello refused: unreachable"] > 0, "N2", "it was not told why")
    members = [name for name in stage.names if name != "new"]
    sizes = [len(stage.cluster.node(name).roster) for name in members]
    check(sizes == [nodes] * nodes, "N2", f"rosters of {sizes}")
    found = stage.cluster.chronicle.find("joined", "suspect", "dead", since=began)
    found = [seen for seen in found if seen.host in members]
    check(not found, "N2", f"members were disturbed: {found[:1]}")
    stage.cluster.kill("new")
    newcomer.address = "new:7700"
    stage.cluster.start("new")
    return stage.until(stage.agrees, stage.merge_bound, "N2")


def block_the_probes_only(seed: int) -> float:
    """N3: control is cut and bulk is open: that one gets data is no reason to show it as well."""
    stage = Stage(seed, 6)
    (cut,) = stage.choose(1)
    well = stage.others(cut)
    for name in well:
        stage.cluster.network.bar(name, cut, Channel.CONTROL)
        stage.cluster.network.bar(cut, name, Channel.CONTROL)
    took = stage.until(lambda: stage.all_see(Liveness.DEAD, [cut], well), stage.death_bound, "N3")
    shown = stage.until(lambda: stage.cluster.node(cut).detector.alone, stage.death_bound, "N3")
    stage.check_no_deaths(well, "N3", by=well)
    stage.cluster.network.heal()
    stage.until(stage.agrees, stage.merge_bound, "N3")
    stage.finish()
    return max(took, took + shown)


def lose_and_delay(seed: int) -> float:
    """N4: a goodbye reaches all once, whatever the loss and the delay, and nobody else dies."""
    stage = Stage(seed)
    conditions = stage.cluster.network.conditions
    conditions.delay_s = stage.rng.choice(DELAYS_S)
    conditions.loss = stage.rng.choice(LOSSES)
    stage.form(stage.rng.choice([5, 10, 20]))  # of two, a lost farewell is known to nobody
    stage.cluster.run(30.0)
    (leaver,) = stage.choose(1)
    left = stage.now
    stage.cluster.stop(leaver)
    took = stage.until(lambda: stage.all_see(Liveness.LEFT, [leaver]), 20.0, "N4")
    stage.cluster.run(20.0)
    stage.check_no_deaths(stage.names, "N4")
    told = stage.cluster.chronicle.find("left", member=leaver, since=left)
    check(len(told) == len(stage.running), "N4", f"{len(told)} heard of it")
    return took


SCENARIOS = (
    Scenario(
        "N1",
        "a route that works one way now and then",
        "s of differing views",
        work_one_way_now_and_then,
    ),
    Scenario("N1b", "four fifths lost", "s of differing views", lose_most, 0.5),
    Scenario("N2", "a wrong address is said at the join", "s to join", advertise_a_wrong_address),
    Scenario("N3", "probes cut, data open: shown as dead", "s to be shown", block_the_probes_only),
    Scenario("N4", "news reach all once, whatever is lost", "s to tell all", lose_and_delay),
)
