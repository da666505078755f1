"""Live stories: what goes wrong with memberships in production, with real daemons.

Theory. The simulator plays each of these over many seeds. Once with processes, sockets and a real
clock shows that it plays what there is: that a port refuses, that a resolver fails, that a route
which is dropped leaves connections open.

A story is given its nodes before any of them is started, and leaves them however they end.
"""

from __future__ import annotations

import json

import trio

from gcounterd.sim.checkers import check
from tests.cluster.client import NotSent, counter_target
from tests.cluster.processes import Cluster
from tests.soak.live_stage import (
    LiveScenario,
    check_deaths,
    check_hits,
    count,
    deaths,
    form,
    get,
    happened,
    has_counted,
    members,
    until,
    until_seen,
)
from tests.soak.routes import CYCLES, FLAPS_PER_CYCLE_MAX, HALF_CYCLE_S
from tests.soak.slowness import NAME_BYTES, STATE_BYTES

# From where no resolver has an answer (RFC 6761).
NO_NAME = "seed.invalid:7700"
# How long one process is stopped, one time after the other.
STOPPED_S = (3, 10, 60)
# As many names of the longest kind as one body takes.
NAMES_PER_REQUEST = 960
# Instead of a node's own ports: where it was bound is where it is reached, with no front before it.
ELSEWHERE = ("--peer", "127.0.0.1:0", "--advertise", "127.0.0.1:0")


def others(cluster: Cluster, *names: str) -> list[str]:
    """Return all nodes but these."""
    return [name for name in cluster.nodes if name not in names]


async def heal_a_split(cluster: Cluster) -> None:
    """P1: both sides call each other dead, count on by themselves, and merge."""
    await form(cluster)
    left, right = list(cluster.nodes)[:4], list(cluster.nodes)[4:]
    for one in left:
        for other in right:
            cluster.cut(one, other)
    await until_seen(cluster, "dead", right, by=left)
    await until_seen(cluster, "dead", left, by=right)
    await count(cluster, *cluster.nodes)
    cluster.heal()
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await check_hits(cluster, len(cluster.nodes), cluster.nodes)
    await check_deaths(cluster, right, by=left)
    await check_deaths(cluster, left, by=right)


async def bring_back_a_lone_node(cluster: Cluster) -> None:
    """P2: one node hears nobody, says once that it is alone, counts, and comes back."""
    await form(cluster)
    lone, well = "n7", others(cluster, "n7")
    for name in well:
        cluster.cut(name, lone)

    async def is_alone() -> bool:
        return bool((await get(cluster, lone, "/v1/cluster"))["alone"])

    await until(f"{lone} says that it is alone", is_alone)
    await until_seen(cluster, "dead", [lone], by=well)
    await until_seen(cluster, "dead", well, by=[lone])
    await count(cluster, *cluster.nodes)
    cluster.heal()
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await check_hits(cluster, len(cluster.nodes), cluster.nodes)
    await check_deaths(cluster, [lone], by=well)
    # It had no company yet when it started: what follows is the split's.
    said = [event["event"] for event in await happened(cluster, lone, "alone", "company")]
    check(said[-2:] == ["alone", "company"] and said.count("alone") == 1, "P2", f"it said {said}")


async def restart_at_once(cluster: Cluster) -> None:
    """P5: killed and started again at once: one member, and nobody else is harmed."""
    await form(cluster)
    await cluster.kill("n3")
    await cluster.start("n3")
    await cluster.ready(["n3"])
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await check_only(cluster, "n3")


async def check_only(cluster: Cluster, restarted: str) -> None:
    """Check that the roster is as it was, and that nobody else died.

    A slow machine may need longer to start a process again than a port that refuses is suspected.
    """
    found = [name for name in await deaths(cluster, cluster.nodes) if name != restarted]
    check(not found, "deaths", f"{found} were declared dead")
    for name in cluster.nodes:
        shown = list(await members(cluster, name))
        check(sorted(shown) == sorted(cluster.nodes), "roster", f"{name} shows {shown}")


async def restart_elsewhere(cluster: Cluster) -> None:
    """P6: killed and started at once on the same disk at a new address, which wins everywhere."""
    await form(cluster)
    moved, stay = "n3", others(cluster, "n3")
    await count(cluster, moved)
    old = {name: (await members(cluster, name))[moved] for name in stay}
    await cluster.kill(moved)
    cluster.find(moved).options = ELSEWHERE
    await cluster.start(moved)
    for name in stay:

        async def has_moved(name: str = name) -> bool:
            new = (await members(cluster, name))[moved]
            return bool(new["address"] != old[name]["address"] and new["liveness"] == "alive")

        await until(f"{name} shows {moved} alive at its new address", has_moved)
        new = (await members(cluster, name))[moved]
        check(new["id"] == old[name]["id"], "P6", f"{name} shows another node id")
        check(new["epoch"] > old[name]["epoch"], "P6", f"{name} shows no later epoch")
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await count(cluster, moved)
    await check_hits(cluster, 2, cluster.nodes)
    await check_only(cluster, moved)


async def stand_still(cluster: Cluster) -> None:
    """S1: stopped where it stands until all call it dead; going on, it harms nobody."""
    await form(cluster)
    ill, well = "n7", others(cluster, "n7")
    cluster.pause(ill)
    await until_seen(cluster, "dead", [ill], by=well)
    cluster.resume(ill)
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await check_deaths(cluster, [ill], by=well)
    await check_deaths(cluster, [], by=[ill])


async def stand_still_for_long(cluster: Cluster) -> None:
    """S1b: stopped for 3, 10 and 60 s: whatever becomes of it, nobody who is well dies."""
    await form(cluster)
    ill, well = "n7", others(cluster, "n7")
    for seconds in STOPPED_S:
        cluster.pause(ill)
        await trio.sleep(seconds)
        cluster.resume(ill)
        await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    found = await deaths(cluster, well)
    check(found == [ill], "deaths", f"{found} were declared dead, {ill} has to be after 60 s")
    await check_deaths(cluster, [], by=[ill])


async def fetch_a_large_state(cluster: Cluster) -> None:
    """S2: all others join one that holds 20 MiB and fetch it at once; nobody is called dead."""
    full, *rest = cluster.nodes
    cluster.find(full).seeds = ()
    await cluster.start(full)
    await cluster.ready([full])
    names = [str(number).zfill(NAME_BYTES) for number in range(STATE_BYTES // NAME_BYTES)]
    for at in range(0, len(names), NAMES_PER_REQUEST):
        counts = {"counts": dict.fromkeys(names[at : at + NAMES_PER_REQUEST], 1)}
        body = json.dumps(counts).encode()
        answer = await cluster.ask(full, "POST", "/v1/counters", body)
        check(answer.status == 200, "S2", f"{full} answers {answer.status}")
    for name in rest:
        await cluster.start(name)
    for name in rest:

        async def has_all(name: str = name) -> bool:
            try:
                first, last = (counter_target(each) for each in (names[0], names[-1]))
                answers = [await cluster.ask(name, "GET", target) for target in (first, last)]
            except NotSent:
                return False
            return all(each.status == 200 and each.json()["value"] == 1 for each in answers)

        await until(f"{name} has what {full} counted", has_all)
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await check_deaths(cluster, [], by=cluster.nodes)


async def leave_one_by_one(cluster: Cluster) -> None:
    """L1: seven of ten stop one after the other: all left, none dead."""
    await form(cluster)
    stay, leavers = list(cluster.nodes)[:3], list(cluster.nodes)[3:]
    for name in leavers:
        status = await cluster.stop(name)
        check(status == {name: 0}, "L1", f"it ended with {status}")
    await until_seen(cluster, "left", leavers, by=stay)
    await until_seen(cluster, "alive", stay, by=stay)
    await check_deaths(cluster, [], by=stay)


async def work_one_way_now_and_then(cluster: Cluster) -> None:
    """N1: one hears nobody for 20 s, then all for 20 s, three times."""
    await form(cluster)
    ill, well = "n7", others(cluster, "n7")
    for _ in range(CYCLES):
        for name in well:
            cluster.block(name, ill)
        await trio.sleep(HALF_CYCLE_S)
        cluster.heal()
        await trio.sleep(HALF_CYCLE_S)
        for name in cluster.nodes:
            seen = {other: m["liveness"] for other, m in (await members(cluster, name)).items()}
            check(list(seen.values()) == ["alive"] * len(cluster.nodes), "N1", f"{name}: {seen}")
    found = [name for name in await deaths(cluster, well) if name != ill]
    check(not found, "N1", f"{found} were well and declared dead")
    for name in well:
        doubts = [e for e in await happened(cluster, name, "suspect", "dead") if e["member"] == ill]
        check(bool(doubts), "N1", f"{name} never doubted {ill}: was its route blocked at all?")
        changes = len(await happened(cluster, name, "dead", "back"))
        most = CYCLES * FLAPS_PER_CYCLE_MAX
        check(changes <= most, "N1", f"{name} changed its mind {changes} times")


async def resolve_late(cluster: Cluster) -> None:
    """B1: islands of one that counted and a newcomer ask for seeds in vain, until one appears."""
    *early, seed = cluster.nodes
    *islands, newcomer = early
    for name in islands:
        cluster.find(name).seeds = ()
        await cluster.start(name)
    await cluster.ready(islands)
    await count(cluster, *islands)
    await cluster.stop(*islands)
    for name in early:
        cluster.find(name).seeds = (NO_NAME, cluster.find(seed).front)
        await cluster.start(name)
    for name in early:

        async def looked_in_vain(name: str = name) -> bool:
            return await has_counted(cluster, name, "dial_name")

        await until(f"{name} asks for {NO_NAME} in vain", looked_in_vain)
    await cluster.ready(islands)
    for name in islands:
        shown = list(await members(cluster, name))
        check(shown == [name], "B1", f"{name} shows {shown}")
    cluster.find(seed).seeds = ()
    await cluster.start(seed)
    await cluster.ready()
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)
    await count(cluster, newcomer, seed)
    await check_hits(cluster, len(cluster.nodes), cluster.nodes)
    await check_deaths(cluster, [], by=cluster.nodes)


async def reuse_an_address(cluster: Cluster) -> None:
    """B2: a member dies, another cluster gets its address, and nothing is merged."""
    names = list(cluster.nodes)
    ours, theirs = names[: len(names) // 2 + 1], names[len(names) // 2 + 1 :]
    moved, rest, thief = ours[-1], ours[:-1], theirs[0]
    old = cluster.find(moved)
    for name in ours:
        await cluster.start(name)
    await cluster.ready(ours)
    await until_seen(cluster, "alive", ours, by=ours)
    await count(cluster, *ours)
    await check_hits(cluster, len(ours), ours)
    await cluster.kill(moved)
    await until_seen(cluster, "dead", [moved], by=rest)
    for name in theirs:
        node = cluster.find(name)
        node.seeds = tuple(cluster.find(other).front for other in theirs if other != name)
        node.options = ("--cluster", "other")
    taken = f"127.0.0.1:{old.peer_port}"
    cluster.find(thief).options += ("--peer", taken, "--advertise", old.front)
    cluster.find(theirs[1]).seeds = (old.front,)
    for name in theirs:
        await cluster.start(name)
    await cluster.ready(theirs)
    await count(cluster, thief)
    for name in rest:

        async def refused(name: str = name) -> bool:
            log = cluster.find(name).directory / "log"
            return "wrong_cluster" in await trio.Path(log).read_text()

        await until(f"{name} is refused at the old address of {moved}", refused)
    await check_apart(cluster, rest, ours, len(ours))
    await check_apart(cluster, theirs, theirs, 1)
    old.options = ELSEWHERE
    await cluster.start(moved)
    await until_seen(cluster, "alive", ours, by=ours)
    await check_apart(cluster, ours, ours, len(ours))
    await check_apart(cluster, theirs, theirs, 1)
    await check_deaths(cluster, [moved], by=rest)


async def check_apart(cluster: Cluster, by: list[str], roster: list[str], hits: int) -> None:
    """Check that these nodes know those members and no others, and only their hits."""
    for name in by:
        shown = sorted(await members(cluster, name))
        check(shown == sorted(roster), "B2", f"{name} shows {shown}")
    await check_hits(cluster, hits, by)


LIVE: dict[str, LiveScenario] = {
    story.name: story
    for story in (
        LiveScenario("P1", "both sides of a split count, and merge", 10, heal_a_split),
        LiveScenario("P2", "a lone node notices and comes back", 10, bring_back_a_lone_node),
        LiveScenario("P5", "killed and back at once: one member", 10, restart_at_once),
        LiveScenario("P6", "the same disk elsewhere: the new address wins", 10, restart_elsewhere),
        LiveScenario("L1", "seven of ten leave: all left, none dead", 10, leave_one_by_one),
        LiveScenario("S1", "standing still harms nobody else", 10, stand_still),
        LiveScenario("S1b", "stopped for 3, 10 and 60 s", 10, stand_still_for_long),
        LiveScenario("S2", "20 MiB fetched by nine at once", 10, fetch_a_large_state),
        LiveScenario("N1", "a route that works one way at times", 10, work_one_way_now_and_then),
        LiveScenario("B1", "names that resolve late: islands merge", 10, resolve_late),
        LiveScenario("B2", "an address that went to another cluster", 10, reuse_an_address),
    )
}
