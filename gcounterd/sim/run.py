"""A run: one seed from its first node to agreement.

Theory. Two phases. In the first everything fails that the seed's weather holds, and nothing may
be wrong at any moment; in the second the world is healed, and within a bounded time all nodes
must agree, be at rest, and hold exactly what the ledger says. How the cluster came to be (all
seeds on all, a chain, late ones, islands) is drawn too.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from random import Random

import attrs

from gcounterd.members.roster import State
from gcounterd.sim.bringing import Bringing
from gcounterd.sim.checkers import IDLE_WAKES_PER_S_MAX, ViolationError, check, check_removals
from gcounterd.sim.cluster import Cluster
from gcounterd.sim.departures import Departures
from gcounterd.sim.host import Host
from gcounterd.sim.lives import check_one_each
from gcounterd.sim.network import STUCK_S
from gcounterd.sim.squeeze import squeezed
from gcounterd.sim.weather import Weather
from gcounterd.sim.workload import Workload

# Two rounds of the slowest repair (a hash, every 36 s at most) and the longest back-offs.
AGREEMENT_S_MAX = 90.0
# What was lost before the heal is sent again, or given up, for so long.
AFTERMATH_S = max(STUCK_S.values())
# How long the resting cluster is watched for what it does about nothing.
REST_S = 5.0


@attrs.frozen
class Outcome:
    """What became of a seed.

    violation    "" if nothing was wrong; where  the stack it was found on
    agreement_s  how long it took from heal to agreement
    """

    seed: int
    violation: str
    where: str
    trace: str
    tally: Counter[str]
    frames: int
    simulated_s: float
    agreement_s: int


def run_seed(
    seed: int, nodes: int, minutes: float, *, removals: bool = False, imports: bool = False
) -> Outcome:
    """Run one seed; never raises for what the cluster did wrong.

    With `removals`, members are removed, come back and are added meanwhile; with `imports`, counts
    from elsewhere are brought, and brought again.
    """
    cluster = Cluster(seed)
    violation = where = ""
    agreement_s = 0
    rng = cluster.world.derive("run")
    with squeezed(rng) if rng.random() < 0.6 else contextlib.nullcontext():
        try:
            agreement_s = _run(cluster, rng, nodes, 60 * minutes, removals, imports)
        except ViolationError as error:
            violation, where = str(error), traceback.format_exc()
        except Exception as error:  # whatever the code raises is a finding
            violation, where = f"{type(error).__name__}: {error}", traceback.format_exc()
    return Outcome(
        seed,
        violation,
        where,
        cluster.world.trace,
        cluster.tally,
        cluster.network.frames,
        cluster.world.now,
        agreement_s,
    )


def _run(
    cluster: Cluster, rng: Random, nodes: int, seconds: float, removals: bool, imports: bool
) -> int:
    weather = Weather(cluster, cluster.world.derive("weather"))
    workload = Workload(cluster, cluster.world.derive("workload"))
    form(cluster, rng, [f"n{number}" for number in range(1, nodes + 1)], seconds)
    departures = Departures(cluster, cluster.world.derive("departures")) if removals else None
    weather.rage(departures)
    workload.begin()
    bringing = Bringing(cluster, cluster.world.derive("bringing")) if imports else None
    if bringing is not None:
        bringing.begin()
    cluster.run(seconds)
    workload.ended = True
    if bringing is not None:
        bringing.ended = True
    weather.clear()
    cluster.run(AFTERMATH_S)
    for process in cluster.running:
        process.join([host.address for host in cluster.hosts.values()])
    agreement_s = cluster.settle(AGREEMENT_S_MAX)
    remaining = [host.node for host in cluster.hosts.values() if not _is_removed(cluster, host)]
    check_one_each(cluster.running, remaining)
    check_removals(process.node for process in cluster.running)
    cluster.check_everything()
    _rest(cluster)
    return int(agreement_s)


def _is_removed(cluster: Cluster, host: Host) -> bool:
    entry = cluster.running[0].node.roster.get(host.node)
    return entry is not None and entry.state is State.REMOVED


def _rest(cluster: Cluster) -> None:
    """Check that a cluster at rest stays there and does little."""
    before = sum(process.wakes for process in cluster.running)
    frames = cluster.network.frames
    cluster.run(REST_S)
    woken = (sum(process.wakes for process in cluster.running) - before) / REST_S
    heard = (cluster.network.frames - frames) / REST_S
    most = IDLE_WAKES_PER_S_MAX * len(cluster.running)
    check(woken <= most and heard <= most, "I9 bounded", f"{woken} wakes, {heard} frames a second")
    unrest = cluster.find_unrest()
    check(not unrest, "I9 bounded", f"the cluster did not stay at rest: {unrest}")
    cluster.check_everything()


def form(cluster: Cluster, rng: Random, names: list[str], seconds: float) -> None:
    """Put up the hosts and start them, now or later."""
    addresses = [f"{name}:7700" for name in names]
    form = rng.choice(["all", "chain", "islands", "late"])
    cluster.tally[f"formed: {form}"] += 1
    middle = len(names) // 2
    for number, name in enumerate(names):
        first = 0 if form != "islands" or number < middle else middle
        seeds = addresses if form in ("all", "late") else addresses[first:number][-1:]
        cluster.add_host(name, seeds=seeds).rows_per_checkpoint = rng.choice([5, 40, 1000])
        is_late = form == "late" and number >= 2
        when = rng.uniform(0, seconds * 0.7) if is_late else rng.uniform(0, 1)
        cluster.world.after(when, _start, cluster, name)
    if form == "islands":
        cluster.world.after(seconds * rng.uniform(0.2, 0.9), _introduce, cluster, addresses)


def _start(cluster: Cluster, name: str) -> None:
    """Start a host that comes late, unless weather has, and its life is over by now."""
    host = cluster.hosts[name]
    if host.process is None and not host.sent_away:
        cluster.start(name)


def _introduce(cluster: Cluster, addresses: list[str]) -> None:
    """Let one node of an island know of the other."""
    for process in cluster.running[:1]:
        cluster.tally["islands introduced"] += 1
        process.join(addresses[-1:])
