"""Row `resting`: the CPU that each of five nodes takes while nobody counts.

Theory. What wakes a node at rest is membership: a ping and an ack a second, a digest a second that
says nothing new, hashes twice a minute. Links go through proxies, which are in another process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from tests.bench import nodes
from tests.bench.rows import Row
from tests.cluster.processes import Plan, open_cluster

NODES = 5
# Until links are up and rosters are told, and what a start imports late is imported.
SETTLE_S = 10.0
WATCH_S, WATCH_QUICK_S = 60.0, 20.0


def measure(*, quick: bool) -> list[Row]:
    """Return the row of a cluster at rest."""
    seconds = WATCH_QUICK_S if quick else WATCH_S
    with tempfile.TemporaryDirectory() as place:
        shares = trio.run(_run, Path(place), seconds)
    what = f"{NODES} nodes at rest: CPU of the busiest, of one core"
    least, most = 100 * min(shares), 100 * max(shares)
    remark = f"over {seconds:g} s, user and system; the least busy {least:.2f} %"
    return [Row("resting", what, most, "%", at_most=1, remark=remark)]


async def _run(place: Path, seconds: float) -> list[float]:
    async with open_cluster(Plan(place, nodes=NODES, http_base=0, peer_base=0), print) as cluster:
        await cluster.start_all()
        await cluster.ready(wait_s=nodes.PATIENCE_S)
        await trio.sleep(SETTLE_S)
        before = [nodes.cpu_seconds(node) for node in cluster.nodes.values()]
        began = trio.current_time()
        await trio.sleep(seconds)
        passed = trio.current_time() - began
        after = [nodes.cpu_seconds(node) for node in cluster.nodes.values()]
    return [(then - now) / passed for now, then in zip(before, after, strict=True)]
