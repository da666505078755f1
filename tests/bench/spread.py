"""Row `spread`: what counting costs on the wire between 3, 10 and 30 real nodes.

Theory. The same increments in total, spread evenly, whatever the number of nodes: what each of them
sends should hardly depend on it. More nodes than a machine carries are simulated, with the same
load and by the same code (`scripts/experiment E11`). Counted are frames and bytes that the nodes
say they sent, probes and digests included. Links are direct, and durability is `relaxed`, so that
thirty nodes on one disk are not held up by it; a batch is the same either way.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from tests.bench import nodes
from tests.bench.paced import paced
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Cluster, Plan, open_cluster

SIZES, SIZES_QUICK = (3, 10, 30), (3,)
RATE = 100
SETTLE_S, WARM_UP_S = 5.0, 5.0
WATCH_S, WATCH_QUICK_S = 60.0, 10.0
# What a change may cost: DESIGN 1 for the counter, and the column's name with some numbers.
BYTES_PER_BATCH = 6 + 64


def measure(*, quick: bool) -> list[Row]:
    """Return two rows for each size."""
    seconds = WATCH_QUICK_S if quick else WATCH_S
    rows = []
    for size in SIZES_QUICK if quick else SIZES:
        with tempfile.TemporaryDirectory() as place:
            frames, sent, kept = trio.run(_run, Path(place), size, seconds)
        what = f"{size} nodes, {RATE} increments a second in total: each sends"
        remark = f"over {seconds:g} s; {kept:.0f} a second were answered"
        most = RATE * BYTES_PER_BATCH
        rows += [
            Row("spread", f"{what}, frames", frames, "a second", remark=remark),
            Row("spread", f"{what}, bytes", sent, "B/s", at_most=most, remark=remark),
        ]
    return rows


async def _run(place: Path, size: int, seconds: float) -> tuple[float, float, float]:
    plan = Plan(place, nodes=size, http_base=0, peer_base=0, durability="relaxed")
    async with open_cluster(plan, print) as cluster:
        nodes.link_directly(cluster)
        await cluster.start_all()
        await cluster.ready(wait_s=nodes.PATIENCE_S)
        await trio.sleep(SETTLE_S)
        async with paced(cluster, cluster.nodes, RATE / size) as trace:
            await trio.sleep(WARM_UP_S)
            began, frames, sent = trio.current_time(), *await _sent(cluster)
            await trio.sleep(seconds)
            ended, frames_then, sent_then = trio.current_time(), *await _sent(cluster)
    passed = ended - began
    kept = sum(tick.good for tick in trace) / (passed + WARM_UP_S)
    return (frames_then - frames) / passed / size, (sent_then - sent) / passed / size, kept


async def _sent(cluster: Cluster) -> tuple[float, float]:
    """Return the frames and bytes that all nodes sent so far."""
    frames = sent = 0.0
    for node in cluster.nodes.values():
        client = Client("127.0.0.1", node.http_port)
        figures = await nodes.read_figures(client)
        frames, sent = frames + figures["frames_sent"], sent + figures["bytes_sent"]
        client.drop()
    return frames, sent
