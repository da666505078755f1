"""Restarts: P4 to P6, P8 and P9. Processes end and come back: at once, elsewhere, again and again.

Theory. A restart is where identities go wrong: the new life is taken for the old one, and dies of
what was said of it; or for another member, and the list grows. Here a life has an epoch, and no
claim about an earlier life says anything of the next; what a member is, is its node id.
"""

from __future__ import annotations

from gcounterd.members.claims import Liveness
from gcounterd.members.timing import LAN
from gcounterd.node.messages import Gossip
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import HITS, Stage

# The push and pull of everything in memberlist: until then all must see all.
SYNC_PERIOD_S = 30.0
# A restarted process is found by its own dials; then it is news, which takes a few rounds.
FOUND_S_MAX = 3.0
SKEW_MS = 3_600_000
# One seed in so many is of a crowd, in which not everyone is connected to everyone; one in four of
# these is large.
CROWDED_EVERY, CROWD, LARGE_CROWD = 50, 60, 200


def restart_everyone(seed: int) -> float:
    """P4: all lose power at once, with raised incarnations and dead members, and come back."""
    stage = Stage(seed)
    nodes = stage.rng.choice([8, 8, 12, 20])
    if seed % CROWDED_EVERY == CROWDED_EVERY - 1:
        nodes = LARGE_CROWD if seed % (4 * CROWDED_EVERY) == 4 * CROWDED_EVERY - 1 else CROWD
    stage.form(nodes)
    for _ in range(stage.rng.randint(0, 5)):
        accuser, accused = stage.choose(2)
        stage.say(accuser, accused, Gossip((stage.claim(accused, Liveness.SUSPECT, accuser),)))
        stage.cluster.run(0.5)
    stage.count(*stage.names)
    victims = stage.choose(nodes // 4)
    for name in victims:
        stage.cluster.kill(name)
    stage.until(lambda: stage.all_see(Liveness.DEAD, victims), stage.death_bound, "P4")
    for name in stage.running:
        stage.cluster.kill(name, power=True)
    starts = {name: stage.rng.uniform(0, 2) for name in stage.names}
    for name in sorted(starts, key=starts.__getitem__):
        stage.start_after(starts[name], name)
    stage.cluster.run(max(starts.values()))
    started = stage.now
    took = stage.until(stage.agrees, SYNC_PERIOD_S, "P4")
    stage.cluster.run(stage.death_bound)
    stage.check_no_deaths(stage.names, "P4", since=started)
    stage.finish()
    return took


def restart_at_once(seed: int) -> float:
    """P5: processes are killed and back at once: the same members, joined once, and no death."""
    stage = Stage(seed, nodes := 8)
    names = stage.choose(stage.rng.randint(1, 3))
    killed = stage.now
    for name in names:
        stage.cluster.kill(name)
        stage.cluster.run(stage.rng.choice([0.0, stage.rng.uniform(0, LAN.refused_after / 2)]))
        stage.cluster.start(name)
    sent = stage.cluster.network.frames
    stage.until(stage.is_formed, FOUND_S_MAX, "P5")
    stage.cluster.run(10.0)
    stage.check_no_deaths(stage.names, "P5", since=killed)
    joined = stage.cluster.chronicle.find("joined", since=killed)
    check(not joined, "P5", f"joined again: {joined[:1]}")
    sizes = [len(process.node.roster) for process in stage.cluster.running]
    check(sizes == [nodes] * nodes, "P5", f"rosters of {sizes}")
    each = (stage.cluster.network.frames - sent) / nodes / (stage.now - killed)
    # Pings and their answers, digests, a greeting of a few frames on each new link, and rumours.
    check(each < 15, "P5", f"{each:.0f} messages a second and node")
    stage.finish()
    return each


def move_to_another_address(seed: int) -> float:
    """P6: a host dies without a word, and its disk starts elsewhere while it still seems alive."""
    stage = Stage(seed, 6)
    (moved,) = stage.choose(1)
    stage.count(*stage.names)
    old = stage.host(moved)
    stage.cluster.kill(moved, power=True)
    stage.cluster.run(stage.rng.uniform(0, LAN.interval))
    new = stage.cluster.add_host("elsewhere", node=old.node)
    new.name = moved
    new.disk.replace(old.disk.content.copy())
    del stage.cluster.hosts[moved]
    began = stage.now
    stage.cluster.start("elsewhere")
    stage.until(stage.agrees, FOUND_S_MAX, "P6")
    took = stage.now - began
    check(stage.cluster.add("elsewhere", HITS), "P6", "it does not count")
    stage.cluster.run(stage.death_bound)
    stage.check_no_deaths([moved], "P6", since=began)
    addresses = [process.node.roster.get(old.node) for process in stage.cluster.running]
    check(all(e and e.address == new.address for e in addresses), "P6", "the old address stays")
    stage.finish()
    return took


def restart_with_a_wrong_clock(seed: int) -> float:
    """P8: the clock of a restarted host is an hour behind, or ahead and then right again."""
    stage = Stage(seed, 5)
    (name,) = stage.choose(1)
    took = 0.0
    for _ in range(3):
        before = stage.cluster.node(name).config.epoch
        stage.cluster.kill(name)
        stage.host(name).skew_ms = stage.rng.choice([-SKEW_MS, SKEW_MS, 0])
        stage.cluster.run(stage.rng.uniform(0, 2 * LAN.refused_after))
        stage.cluster.start(name)
        took = max(took, stage.until(stage.agrees, FOUND_S_MAX, "P8"))
        check(stage.cluster.node(name).config.epoch > before, "P8", "an older epoch")
        stage.count(*stage.names)
    stage.finish()
    return took


def loop_in_crashes(seed: int) -> float:
    """P9: one member crashes whenever it starts, a stranger of its name comes with new ids."""
    stage = Stage(seed, nodes := 5)
    (name,) = stage.choose(1)
    most = 0
    for number in range(30):
        stage.cluster.kill(name)
        stage.cluster.run(stage.rng.uniform(0, 0.3))
        stage.cluster.start(name)
        stranger = stage.cluster.add_host(f"x{number}", seeds=("n1:7700", "n2:7700"))
        stranger.name = stage.rng.choice(stage.names[:nodes])
        stage.cluster.start(f"x{number}")
        stage.cluster.run(stage.rng.uniform(0, 0.6))
        most = max(most, *(process.node.detector.telling for process in stage.cluster.running))
    stage.cluster.run(10.0)
    for number in range(30):
        ended = stage.host(f"x{number}").exits
        check(len(ended) == 1 and ended[0][0] == 4, "P9", f"x{number} was not refused: {ended}")
        del stage.cluster.hosts[f"x{number}"]
    sizes = [len(process.node.roster) for process in stage.cluster.running]
    check(sizes == [nodes] * nodes, "P9", f"rosters of {sizes}")
    check(most <= nodes * nodes, "P9", f"{most} rumours at once")
    stage.finish()
    return float(most)


SCENARIOS = (
    Scenario("P4", "all restart at once: all see all, nobody dies", "s to agree", restart_everyone),
    Scenario(
        "P5",
        "killed and back at once: one member, no death",
        "messages/s and node",
        restart_at_once,
    ),
    Scenario(
        "P6", "the same disk elsewhere: the new address wins", "s to agree", move_to_another_address
    ),
    Scenario(
        "P8", "a clock that is behind hurts no restart", "s to agree", restart_with_a_wrong_clock
    ),
    Scenario("P9", "crash loops leave no members behind", "rumours at once", loop_in_crashes),
)
