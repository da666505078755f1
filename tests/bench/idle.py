"""Row `idle`: what two nodes with the same million counters say to each other when nothing happens.

Bytes of both peer links, both ways, as the nodes count them: probes, digests that say nothing new,
and the hash of everything twice a minute.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from tests.bench import nodes
from tests.bench.large_store import make_stores
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Cluster, Plan, open_cluster

COUNTERS = 1_000_000
COLUMNS = 3
# Until links are up, columns levelled, and rosters told.
SETTLE_S = 5.0
# Two periods of the hash, or one.
WATCH_S, WATCH_QUICK_S = 60.0, 31.0


def measure(*, quick: bool) -> list[Row]:
    """Return the row of an idle pair."""
    seconds = WATCH_QUICK_S if quick else WATCH_S
    with tempfile.TemporaryDirectory() as place:
        directories = [Path(place) / name / "data" for name in ("n1", "n2")]
        make_stores(directories, COUNTERS, COLUMNS, journal=False)
        sent, commits = trio.run(_run, Path(place), seconds)
    what = f"two idle nodes of {COUNTERS:,} equal counters: bytes between them"
    remark = f"over {seconds:g} s, both ways; {commits:g} commits meanwhile"
    return [Row("idle", what, sent / seconds, "B/s", at_most=500, remark=remark)]


async def _run(place: Path, seconds: float) -> tuple[float, float]:
    async with open_cluster(Plan(place, nodes=2, http_base=0, peer_base=0), print) as cluster:
        await cluster.start_all()
        await cluster.ready(wait_s=nodes.PATIENCE_S)
        await trio.sleep(SETTLE_S)
        sent, commits = await _totals(cluster)
        await trio.sleep(seconds)
        sent_then, commits_then = await _totals(cluster)
    return sent_then - sent, commits_then - commits


async def _totals(cluster: Cluster) -> tuple[float, float]:
    """Return the bytes sent and the commits of both nodes, which must hold all there is."""
    sent = commits = 0.0
    for node in cluster.nodes.values():
        client = Client("127.0.0.1", node.http_port)
        figures = await nodes.read_figures(client)
        client.drop()
        assert figures["counters"] >= COUNTERS, figures
        assert figures["links"] == 1, figures
        sent += figures["bytes_sent"]
        commits += figures["commits"]
    return sent, commits
