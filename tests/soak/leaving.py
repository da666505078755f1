"""Leaving: L1 to L5. Processes that say goodbye, and what is said of those that did not.

Theory. A goodbye is a claim like others: it must win against what is still in flight about the
same life, be told to all by others than the leaver, who is gone, and be overtaken by the next life.
Only the member itself says it; so there is no state of leaving in which a member could be stuck.

What others call `force-leave` and `prune` is our removal, so L3 and L4 have two halves: a goodbye
in another's name is refuted, and who is removed while it lives goes; many goodbyes at once end, and
so do many removals.
"""

from __future__ import annotations

from functools import partial

from gcounterd.errors import ClientError
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import State
from gcounterd.node.leaving import EXIT_REMOVED
from gcounterd.node.messages import Gossip
from gcounterd.node.returning import EXIT_RETURNED
from gcounterd.sim.checkers import check
from tests.soak.scenario import Scenario
from tests.soak.stage import Stage

# A goodbye goes to all who are linked at once; for the rest a few rounds of rumours.
TOLD_S_MAX = 3.0
# A member that is called gone hears of it with the next rumour, and says otherwise.
REFUTED_S_MAX = 3.0
# A removal hands over what there is and asks everybody; many at once go side by side.
REMOVED_S_MAX = 30.0
# Pings with their answers and digests, as E8 finds them, with room.
REST_FRAMES_PER_S = 10.0


def scale_down(seed: int) -> float:
    """L1: seven of ten leave, a second apart; all of them left, nobody dead, anywhere."""
    stage = Stage(seed, 10)
    stage.cluster.network.conditions.tail_chance = stage.rng.choice([0.0, 0.05])
    leavers = stage.choose(7)
    began = stage.now
    worst = 0.0
    for number, name in enumerate(leavers, 1):
        gone = leavers[:number]
        stage.cluster.stop(name)
        took = stage.until(partial(stage.all_see, Liveness.LEFT, gone), TOLD_S_MAX, "L1")
        worst = max(worst, took)
        stage.cluster.run(max(0.0, 1.0 - took))
    stage.cluster.run(stage.death_bound)
    stage.check_no_deaths(stage.names, "L1", since=began)
    check(stage.all_see(Liveness.LEFT, leavers), "L1", stage.describe())
    return worst


def leave_while_refuting(seed: int) -> float:
    """L2: a member leaves just after it refuted something, over routes that are late or stand."""
    stage = Stage(seed, 8)
    (leaver,) = stage.choose(1)
    stage.cluster.network.conditions.tail_chance = 0.3
    accuser, *cut = stage.choose(stage.rng.randint(1, 5), stage.others(leaver))
    for name in cut:  # its farewell to these is never sent
        stage.cluster.network.block(leaver, name)
    stage.say(accuser, leaver, Gossip((stage.claim(leaver, Liveness.SUSPECT, accuser),)))
    stage.cluster.run(stage.rng.uniform(0, 0.02))
    left = stage.now
    stage.cluster.stop(leaver)
    took = stage.until(lambda: stage.all_see(Liveness.LEFT, [leaver]), 2 * TOLD_S_MAX, "L2")
    stage.cluster.network.heal()
    stage.cluster.run(stage.death_bound)
    check(stage.all_see(Liveness.LEFT, [leaver]), "L2", stage.describe())
    back = stage.cluster.chronicle.find("back", "dead", member=leaver, since=left)
    check(not back, "L2", f"after it had left: {back[:1]}")
    return took


def leave_with_nobody_to_tell(seed: int) -> float:
    """L2: no farewell gets out at all; the process ends, and the others find out."""
    stage = Stage(seed, 6)
    (leaver,) = stage.choose(1)
    stage.isolate(leaver)
    stage.cluster.run(stage.rng.uniform(0, 5))
    stage.cluster.stop(leaver)
    took = stage.until(
        lambda: stage.all_see(Liveness.DEAD, [leaver]), stage.death_bound, "L2, nobody to tell"
    )
    stage.cluster.network.heal()
    stage.cluster.run(stage.merge_bound)
    check(stage.all_see(Liveness.DEAD, [leaver]), "L2, nobody to tell", stage.describe())
    return took


def leave_in_anothers_name(seed: int) -> float:
    """L3: somebody says of a live member that it left; it says otherwise, and nobody is stuck."""
    stage = Stage(seed, 7)
    victim, liar, *rest = stage.names if seed % 2 else stage.choose(7)
    forged = stage.claim(victim, Liveness.LEFT, liar, newer=stage.rng.choice([0, 0, 1, 1000]))
    for name in stage.rng.sample(rest, stage.rng.randint(1, len(rest))):
        stage.say(liar, name, Gossip((forged,)))
    stage.cluster.run(0.1)
    check(bool(stage.cluster.chronicle.find("left", member=victim)), "L3", "nobody noticed")
    took = stage.until(stage.everyone_sees_everyone, REFUTED_S_MAX, "L3")
    stage.cluster.run(stage.death_bound)
    check(stage.everyone_sees_everyone(), "L3", stage.describe())
    stage.finish()
    return took


def force_out_a_live_member(seed: int) -> float:
    """L3: a live member is not removed as a dead one; removed as a live one it goes, unstuck."""
    stage = Stage(seed, 7)
    victim, at, liar = stage.choose(3)
    stage.count(*stage.names)
    refused = False
    try:
        stage.cluster.remove(at, victim, dead=True)
    except ClientError:
        refused = True
    check(refused, "L3, removal", "a live member was removed as a dead one")
    began = stage.now
    stage.cluster.remove(at, victim)
    forged = stage.claim(victim, Liveness.LEFT, liar, newer=1)
    for name in stage.choose(3, stage.others(victim, liar)):
        stage.say(liar, name, Gossip((forged,)))
    took = stage.until(partial(_are_removed, stage, [victim]), REMOVED_S_MAX, "L3, removal")
    status, why = stage.host(victim).exits[-1]  # 5 where the lie was believed for long enough
    check(status in (EXIT_REMOVED, EXIT_RETURNED), "L3, removal", f"it ended with {status}: {why}")
    stage.check_no_deaths(stage.others(victim), "L3, removal", since=began)
    stage.finish()
    return took


def remove_many_at_once(seed: int) -> float:
    """L4: seven of twelve are removed at once; it ends, and then nothing more is told of it."""
    stage = Stage(seed, 12)
    *leavers, at = stage.choose(8)
    stage.count(*stage.names)
    stage.cluster.remove(at, *leavers)
    took = stage.until(partial(_are_removed, stage, leavers), REMOVED_S_MAX, "L4, removals")
    stage.cluster.run(30.0)
    stay = [process.node.detector for process in stage.cluster.running]
    check(not any(detector.telling for detector in stay), "L4, removals", "they still tell of it")
    frames = stage.cluster.network.frames
    stage.cluster.run(10.0)
    each = (stage.cluster.network.frames - frames) / 10.0 / len(stay)
    check(each < REST_FRAMES_PER_S, "L4, removals", f"{each:.1f} frames a second and node at rest")
    stage.finish()
    return took


def _are_removed(stage: Stage, names: list[str]) -> bool:
    """Say whether these have ended, and all others show them as removed."""
    nodes = [stage.host(name).node for name in names]
    entries = [process.node.roster.get(node) for process in stage.cluster.running for node in nodes]
    gone = all(entry is not None and entry.state is State.REMOVED for entry in entries)
    return gone and not any(stage.host(name).process for name in names)


def leave_all_at_once(seed: int) -> float:
    """L4: two thirds leave at once; each node tells of each of them as often as agreed, no more."""
    stage = Stage(seed, nodes := 18)
    leavers = stage.choose(12)
    stage.cluster.run(10.0)
    for name in leavers:
        stage.cluster.stop(name)
    stay = [stage.cluster.node(name).detector for name in stage.running]
    before = sum(detector.told for detector in stay)
    took = stage.until(lambda: stage.all_see(Liveness.LEFT, leavers), TOLD_S_MAX, "L4")
    stage.cluster.run(30.0)
    told = (sum(detector.told for detector in stay) - before) / len(stay)
    most = len(leavers) * stay[0].timing.tellings(nodes)
    check(told <= most, "L4", f"{told:.0f} claims told by each, more than {most}")
    check(not any(detector.telling for detector in stay), "L4", "they still tell of it")
    return took


def leave_and_come_again(seed: int) -> float:
    """L5: leave and start again, several times, at once or later."""
    stage = Stage(seed, 6)
    (name,) = stage.choose(1)
    worst = 0.0
    for _ in range(4):
        stage.cluster.stop(name)
        stage.cluster.run(stage.rng.choice([0.0, 0.05, stage.rng.uniform(0, 20)]))
        stage.cluster.start(name)
        worst = max(worst, stage.until(stage.is_formed, TOLD_S_MAX, "L5"))
        stage.count(*stage.names)
    stage.check_no_deaths(stage.names, "L5")
    stage.finish()
    return worst


SCENARIOS = (
    Scenario("L1", "seven of ten leave: all left, none dead", "s to tell all", scale_down),
    Scenario("L2", "a farewell wins over what is in flight", "s to tell all", leave_while_refuting),
    Scenario(
        "L2b",
        "a farewell that nobody hears ends in a death",
        "s to find out",
        leave_with_nobody_to_tell,
    ),
    Scenario(
        "L3", "a farewell in another's name is refuted", "s to refute", leave_in_anothers_name
    ),
    Scenario("L3b", "a live member that is removed goes", "s to go", force_out_a_live_member, 0.25),
    Scenario("L4", "many farewells at once are told and end", "s to tell all", leave_all_at_once),
    Scenario("L4b", "many removals at once end", "s to go", remove_many_at_once, 0.25),
    Scenario("L5", "leaving and coming again works", "s to be seen", leave_and_come_again),
)
