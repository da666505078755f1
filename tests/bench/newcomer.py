"""Row `newcomer`: an empty node joins one of a million counters, in one column and in five.

Theory. All of the state goes over one link, into the journal and into memory, and then into images,
while both nodes have to go on answering: neither loop may be held for long at any time. The node
that gives goes on counting meanwhile, so there is always a delta above what was begun.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from tests.bench import nodes
from tests.bench.large_store import make_stores
from tests.bench.nodes import Figures
from tests.bench.paced import paced
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Plan, open_cluster

COUNTERS = 1_000_000
# By the number of columns, how long it may take until the newcomer is ready.
BOUNDS_S = {1: 3.0, 5: 10.0}
# Increments a second at the node that gives.
RATE = 500
MB = 1_000_000


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of newcomers; in a hurry, of the one with the fewest columns."""
    rows = []
    for columns in list(BOUNDS_S)[: 1 if quick else None]:
        with tempfile.TemporaryDirectory() as place:
            make_stores([Path(place) / "n1" / "data"], COUNTERS, columns, journal=False)
            seconds, cpu, giver, newcomer = trio.run(_run, Path(place))
        rows += _rows(columns, seconds, cpu, giver, newcomer)
    return rows


def _rows(columns: int, seconds: float, cpu: float, giver: Figures, newcomer: Figures) -> list[Row]:
    what = f"{COUNTERS:,} counters, {columns} column{'s' * (columns > 1)}"
    sent = f"{giver['bytes_sent'] / MB:.0f} MB sent; {cpu:.1f} s of its CPU"
    peak = f"{newcomer['resident_peak_bytes'] / MB:.0f} MB resident at most"
    held, held_giver = newcomer["longest_turn_seconds"], giver["longest_turn_seconds"]
    return [
        Row(
            "newcomer",
            f"a newcomer to {what}, {RATE} increments a second going on: from its start to ready",
            seconds,
            "s",
            at_most=BOUNDS_S[columns],
            remark=sent,
        ),
        Row(
            "newcomer",
            f"{what}: longest hold of its loop, its first checkpoint included",
            1000 * held,
            "ms",
            at_most=5,
            remark=peak,
        ),
        Row(
            "newcomer",
            f"{what}: longest hold of the giver's loop",
            1000 * held_giver,
            "ms",
            at_most=5,
        ),
    ]


async def _run(place: Path) -> tuple[float, float, Figures, Figures]:
    async with open_cluster(Plan(place, nodes=2, http_base=0, peer_base=0), print) as cluster:
        first = Client("127.0.0.1", cluster.find("n1").http_port)
        await cluster.start("n1")  # it is not ready before it has met another node
        await nodes.until_alive(first)
        async with paced(cluster, ["n1"], RATE):
            seconds = await nodes.start_and_time(cluster, "n2")
            cpu = nodes.cpu_seconds(cluster.find("n2"))
            giver = await nodes.read_figures(first)
            client = Client("127.0.0.1", cluster.find("n2").http_port)
            with trio.fail_after(nodes.PATIENCE_S):
                while (newcomer := await nodes.read_figures(client))["checkpoints"] < 1:
                    await trio.sleep(nodes.POLL_S)
        assert newcomer["counters"] >= COUNTERS, newcomer
        return seconds, cpu, giver, newcomer
