"""Slowness: S1 to S4. Processes that read late, stand still, or sleep, and those that are well.

Theory. A slow process does not hear answers, and an honest detector on it accuses everybody else:
so one sick machine makes healthy ones look dead. Lifeguard makes a node doubt itself first. What
counts is the deaths of members that are well, seen by anybody; a process that stands still for
longer than a suspicion lasts is rightly called dead, and must be back as soon as it goes on.
"""

from __future__ import annotations

import attrs

from gcounterd.members.timing import LAN, Timing
from gcounterd.node.messages import Channel
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import Stage

# As Lifeguard's authors and their heirs do it: input is read so much later, in its order.
LAG_S = (0.5, 2.5)
SLOW_S = 60.0
# From going on until everybody shows it as alive: a probe, a refutation, a rumour.
REFUTED_S_MAX = 2.0
# A state that costs more in bytes than in counters: names as long as they may be.
STATE_BYTES = 20 * 1024 * 1024
NAME_BYTES = 1024
# What a route lets through, from a bad link to a good one, and how long that much may then take.
RATES = (4e6, 2e7, 1e8)
FETCHED_S_MAX = 60.0
SLEEPS_S = (*[60.0] * 10, *[300.0] * 5, 3600.0)
HOUR_MS = 3_600_000
# Plain SWIM: no doubt of oneself, a constant suspicion, nobody is told that it is suspected.
WITHOUT_LIFEGUARD = attrs.evolve(LAN, health_max=0, beta=1.0, buddy=False)


def read_late(seed: int) -> float:
    """S1: one member reads everything late for a minute; nobody who is well dies of it."""
    stage = Stage(seed, 10)
    (slow,) = stage.choose(1)
    well = stage.others(slow)
    began = stage.now
    stage.cluster.process(slow).starve(lambda: stage.rng.uniform(*LAG_S))
    stage.cluster.run(SLOW_S)
    stage.cluster.process(slow).starve(None)
    took = stage.until(stage.everyone_sees_everyone, LAG_S[1] + REFUTED_S_MAX, "S1")
    stage.check_no_deaths(well, "S1", since=began)
    stage.finish()
    return took


def stand_still(seed: int, seconds: tuple[float, ...] = (3.0, 10.0, 60.0)) -> float:
    """S1: SIGSTOP; nobody who is well dies, and who stood still is back at once."""
    stage = Stage(seed, 10)
    (slow,) = stage.choose(1)
    well = stage.others(slow)
    began = stage.now
    worst = 0.0
    for each in seconds:
        stage.cluster.process(slow).pause()
        stage.cluster.run(each)
        stage.cluster.process(slow).resume()
        worst = max(worst, stage.until(stage.everyone_sees_everyone, REFUTED_S_MAX, "S1, SIGSTOP"))
        stage.cluster.run(stage.rng.uniform(0, 30))
    stage.check_no_deaths(well, "S1, SIGSTOP", since=began)
    stage.finish()
    return worst


def block_the_loop(seed: int) -> float:
    """S2: something holds one node's loop; it doubts itself, and nobody who is well dies.

    As long as it is shorter than the shortest suspicion, nobody dies at all.
    """
    stage = Stage(seed, 8)
    (slow,) = stage.choose(1)
    began = stage.now
    seconds = stage.rng.choice([LAN.shortest(8) - LAN.interval, 10.0])
    stage.cluster.process(slow).block(seconds)
    stage.cluster.run(seconds)
    said = stage.cluster.chronicle.find("slow", host=slow, since=began)
    check(len(said) == 1, "S2", f"it noticed {len(said)} times")
    took = stage.until(stage.everyone_sees_everyone, REFUTED_S_MAX, "S2")
    stage.cluster.run(20.0)
    accused = stage.cluster.chronicle.find("suspect", host=slow, since=began)
    check(not accused, "S2", f"it accuses {accused[:1]}")
    sick = [slow] if seconds > LAN.shortest(8) else []
    stage.check_no_deaths(stage.others(*sick), "S2", since=began)
    check(stage.cluster.node(slow).detector.health == 0, "S2", "it still doubts itself")
    stage.finish()
    return took


def fetch_a_large_state(seed: int, size: int = STATE_BYTES) -> float:
    """S2: one member has 20 MiB that no other has, and all fetch it at once; nobody doubts anybody.

    Bulk is closed to it while it counts, so that all of it is fetched and not pushed.
    """
    counters = size // NAME_BYTES
    stage = Stage(seed)
    stage.form(nodes := 8, counters)
    (full,) = stage.choose(1)
    network, rate = stage.cluster.network, stage.rng.choice(RATES)
    began = stage.now
    for name in stage.others(full):
        network.thin(full, name, rate)
        for way in ((full, name), (name, full)):
            network.bar(*way, Channel.BULK)
    for number in range(counters):
        counter = b"%0*d" % (NAME_BYTES, number)
        check(stage.cluster.process(full).add(counter, 1), "I7", f"{full} does not count")
    stage.cluster.process(full).turn()
    stage.cluster.run(1.0)
    network.unbar()
    took = stage.until(stage.agrees, FETCHED_S_MAX, "S2, a large state")
    sent = sum(process.sent_bytes for process in stage.cluster.running)  # some pass it on
    check(sent > (nodes - 1) * size, "S2, a large state", f"only {sent} bytes were sent")
    doubts = stage.cluster.chronicle.find("suspect", "dead", since=began)
    check(not doubts, "S2, a large state", f"{len(doubts)} doubts, first {doubts[:1]}")
    return took


def sleep_for_an_hour(seed: int) -> float:
    """S3: hosts sleep for up to an hour, and their clocks jump; who wakes calls nobody dead."""
    stage = Stage(seed, 8)
    sleepers = stage.choose(stage.rng.choice([1, 4, 8]))
    for name in sleepers:
        stage.cluster.suspend(name)
    stage.cluster.run(stage.rng.choice(SLEEPS_S))
    woken = stage.now
    for name in sleepers:
        stage.host(name).skew_ms += stage.rng.choice([-1, 1]) * HOUR_MS
        stage.cluster.rouse(name)
    took = stage.until(stage.everyone_sees_everyone, stage.merge_bound, "S3")
    stage.cluster.run(stage.death_bound)
    stage.check_no_deaths(stage.names, "S3", since=woken)
    stage.finish()
    return took


def accuse_everybody(seed: int) -> float:
    """S4: one sick member accuses others; at most a quarter as often as without Lifeguard."""
    with_lifeguard, without = _accusations(seed, LAN), _accusations(seed, WITHOUT_LIFEGUARD)
    check(without > 0, "S4", "without Lifeguard nobody was accused")
    share = with_lifeguard / without
    check(share <= 0.25, "S4", f"{with_lifeguard} accusations, {without} without Lifeguard")
    return share


def _accusations(seed: int, timing: Timing) -> int:
    """Return how often anybody was accused by a member that reads late for half a minute."""
    stage = Stage(seed, 10, timing)
    (sick,) = stage.choose(1)
    stage.cluster.process(sick).starve(lambda: stage.rng.uniform(*LAG_S))
    stage.cluster.run(SLOW_S / 2)
    found = stage.cluster.chronicle.find("suspect")
    return sum(seen.by == sick and seen.member != sick for seen in found)


SCENARIOS = (
    Scenario(
        "S1", "reading late for a minute kills nobody who is well", "s to be well", read_late, 0.5
    ),
    Scenario("S1b", "standing still for 3, 10 and 60 s", "s to be back", stand_still, 0.5),
    Scenario("S2", "a blocked loop doubts itself", "s to be back", block_the_loop),
    Scenario(
        "S2b", "20 MiB fetched by all at once: no doubt", "s to agree", fetch_a_large_state, 0.1
    ),
    Scenario("S3", "a sleep of an hour kills nobody", "s to be back", sleep_for_an_hour),
    Scenario("S4", "a sick member accuses a quarter as many", "of them", accuse_everybody, 0.5),
)
