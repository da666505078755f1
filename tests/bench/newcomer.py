"""Row `newcomer`: an empty node joins one of a million counters in three columns.

All of the state goes over one link, into the journal and into memory, and then into images, while
both nodes have to go on answering: neither loop may be held for long at any time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import trio

from tests.bench import nodes
from tests.bench.large_store import make_stores
from tests.bench.nodes import Figures
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Plan, open_cluster

COUNTERS = 1_000_000
COLUMNS = 3
MB = 1_000_000


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of a newcomer; they are the same when in a hurry."""
    with tempfile.TemporaryDirectory() as place:
        make_stores([Path(place) / "n1" / "data"], COUNTERS, COLUMNS, journal=False)
        seconds, giver, newcomer = trio.run(_run, Path(place))
    what = f"a newcomer to {COUNTERS:,} counters, {COLUMNS} columns"
    sent = f"{giver['bytes_sent'] / MB:.0f} MB sent"
    peak = f"{newcomer['resident_peak_bytes'] / MB:.0f} MB resident at most"
    held, held_giver = newcomer["longest_turn_seconds"], giver["longest_turn_seconds"]
    return [
        Row("newcomer", f"{what}: from its start to ready", seconds, "s", remark=sent),
        Row(
            "newcomer",
            "longest hold of its loop, its first checkpoint included",
            1000 * held,
            "ms",
            at_most=5,
            remark=peak,
        ),
        Row("newcomer", "longest hold of the giver's loop", 1000 * held_giver, "ms", at_most=5),
    ]


async def _run(place: Path) -> tuple[float, Figures, Figures]:
    async with open_cluster(Plan(place, nodes=2, http_base=0, peer_base=0), print) as cluster:
        first = Client("127.0.0.1", cluster.find("n1").http_port)
        await cluster.start("n1")  # it is not ready before it has met another node
        await nodes.until_alive(first)
        seconds = await nodes.start_and_time(cluster, "n2")
        giver = await nodes.read_figures(first)
        client = Client("127.0.0.1", cluster.find("n2").http_port)
        with trio.fail_after(nodes.PATIENCE_S):
            while (newcomer := await nodes.read_figures(client))["checkpoints"] < 1:
                await trio.sleep(nodes.POLL_S)
        assert newcomer["counters"] >= COUNTERS, newcomer
        return seconds, giver, newcomer
