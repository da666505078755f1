"""Starts: B1 to B4. Clusters that form in any order, by names that are wrong at first.

Theory. At a start nothing is there yet that will be: names do not resolve, seeds are down, an
address belongs to somebody else by now. None of this may end in islands that stay, or in clusters
that become one by mistake; what cannot be undone is only done after the cluster's name was checked.
"""

from __future__ import annotations

from gcounterd.errors import PeerError
from gcounterd.members.claims import Liveness
from gcounterd.sim.checkers import check
from gcounterd.sim.cluster import Cluster
from gcounterd.wire.codec import decode
from gcounterd.wire.frames import FRAME_BYTES_MAX, HELLO_BYTES_MAX, Framer
from tests.soak.scenario import Scenario
from tests.soak.stage import HITS, Stage

SEED = "seed.example:7700"
FORMED_S_MAX = 10.0


def resolve_late(seed: int) -> float:
    """B1: the seeds' name leads nowhere at first, or to a host that is gone; islands merge."""
    stage = Stage(seed)
    network = stage.cluster.network
    network.names[SEED] = stage.rng.choice(["", "gone:7700"])
    network.hosts["gone:7700"] = "gone"
    network.switch_off("gone")
    for number in range(1, 7):
        alone = stage.rng.random() < 0.3
        host = stage.cluster.add_host(f"n{number}", seeds=() if alone else (SEED,))
        stage.cluster.start(host.name)
        if alone:  # an island of one that counts already
            stage.cluster.run(0.5)
            stage.count(host.name)
            stage.cluster.kill(host.name)
            host.seeds = (SEED,)
            stage.cluster.start(host.name)
    stage.cluster.run(stage.rng.uniform(5, 60))
    check(not stage.cluster.tally["link opened"], "B1", "somebody met somebody")
    network.names[SEED] = f"{stage.rng.choice(stage.names)}:7700"
    took = stage.until(stage.is_formed, stage.merge_bound, "B1")
    stage.until(stage.agrees, stage.merge_bound, "B1")
    stage.finish()
    return took


def reuse_an_address(seed: int) -> float:
    """B2: a member dies, and its address goes to another cluster: they stay two."""
    stage = Stage(seed, nodes := 5)
    moved, *rest = stage.choose(nodes)
    stage.count(*stage.names)
    stage.cluster.kill(moved, power=True)
    others = ["m1", "m2", "m3"]
    for name in others:
        host = stage.cluster.add_host(name, seeds=("m1:7700",) if name != "m1" else ())
        host.cluster = "other"
        if name == "m3":
            del stage.cluster.network.hosts[host.address]
            host.address = stage.host(moved).address
            stage.cluster.network.hosts[host.address] = "m3"
        stage.cluster.start(name)
        stage.cluster.run(1.0)
    stage.cluster.run(stage.rng.uniform(60, 120))
    check(stage.cluster.tally["hello refused: wrong_cluster"] > 0, "B2", "they never met")
    _check_apart(stage, rest, others, nodes)
    gone = stage.host(moved)  # its disk comes back elsewhere; nobody asks at the old address then
    back = stage.cluster.add_host("elsewhere", node=gone.node)
    back.name = moved
    back.disk.replace(gone.disk.content.copy())
    del stage.cluster.hosts[moved]
    stage.cluster.start("elsewhere")
    both = [*rest, "elsewhere"]
    took = stage.until(lambda: stage.all_see(Liveness.ALIVE, both, both), stage.merge_bound, "B2")
    stage.cluster.run(10.0)
    refused = stage.cluster.tally["hello refused: wrong_cluster"]
    stage.cluster.run(60.0)
    more = stage.cluster.tally["hello refused: wrong_cluster"] - refused
    check(more == 0, "B2", f"the old address was dialled {more} times")
    check(not any(host.exits for host in stage.cluster.hosts.values()), "B2", "somebody ended")
    return took


def _check_apart(stage: Stage, rest: list[str], others: list[str], nodes: int) -> None:
    sizes = {name: len(stage.cluster.node(name).roster) for name in (*rest, *others)}
    wanted = dict.fromkeys(rest, nodes) | dict.fromkeys(others, len(others))
    check(sizes == wanted, "B2", f"rosters of {sizes}")
    for name in others:
        check(stage.cluster.value(name, HITS) == 0, "B2", f"{name} has the other's counts")


def start_in_any_order(seed: int) -> float:
    """B3: all name each other, or a chain, or one seed that comes up last; no leader is needed."""
    stage = Stage(seed)
    nodes = stage.rng.choice([2, 3, 6, 10])
    names = [f"n{number}" for number in range(1, nodes + 1)]
    form = stage.rng.choice(["each other", "chain", "ring", "late seed"])
    for at, name in enumerate(names):
        before, after = names[at - 1], names[(at + 1) % nodes]
        wanted = {
            "each other": [other for other in names if other != name],
            "chain": [after] if at + 1 < nodes else [before],
            "ring": [after],
            "late seed": ["n1"] if at else [],
        }[form]
        stage.cluster.add_host(name, seeds=[f"{other}:7700" for other in wanted])
    last = 0.0
    for name in names:
        late = form == "late seed" and name == "n1"
        when = stage.rng.uniform(10, 60) if late else stage.rng.uniform(0, 0.05)
        last = max(last, when)
        stage.start_after(when, name)
    stage.cluster.run(last)
    took = stage.until(stage.is_formed, FORMED_S_MAX, f"B3, {form}")
    stage.count(*names)
    stage.until(stage.agrees, FORMED_S_MAX, f"B3, {form}")
    stage.finish()
    return took


def hear_garbage(seed: int) -> float:
    """B4: any bytes, in any pieces: read as messages or refused, never kept beyond a frame.

    What a real socket does with it is in tests/processes/test_hostile_input.py.
    """
    rng = Cluster(seed).world.derive("garbage")
    most = 0
    for _ in range(300):
        framer = Framer()
        limit = HELLO_BYTES_MAX
        if rng.random() < 0.5:
            framer.raise_limit()
            limit = FRAME_BYTES_MAX
        starts = [b"H" * 4, b"\xff\xff\xff\xff", b"GET / HT", b"\x16\x03\x01\x02", rng.randbytes(4)]
        length = rng.randint(0, 600)
        data = rng.choice([*starts, length.to_bytes(4, "big")]) + rng.randbytes(length)
        try:
            while data:
                size = rng.randint(1, 100)
                for body in framer.feed(data[:size]):
                    decode(body)
                data = data[size:]
                most = max(most, framer.held)
                check(framer.held <= limit + 4, "B4", f"{framer.held} bytes are kept")
        except PeerError as error:
            check(bool(error.reason), "B4", "refused without a reason")
    return float(most)


SCENARIOS = (
    Scenario("B1", "names that resolve late: islands merge", "s to form", resolve_late),
    Scenario("B2", "an address that went to another cluster", "s to be back", reuse_an_address),
    Scenario("B3", "any order of starts forms one cluster", "s to form", start_in_any_order),
    Scenario("B4", "garbage is refused, and not kept", "bytes kept", hear_garbage),
)
