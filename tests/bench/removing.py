"""Row `removing`: five nodes of a million counters, of which one is removed, then another, then a
dead one.

Theory. Closing a column moves no counts where all hold it, so what a removal may cost is measured
as it is felt: the time from the command to its end, the bytes of counts that pass between nodes
meanwhile, the longest hold of a loop, and the rate that the others keep. The first node is removed
from a quiet cluster, so that every byte of counts is the removal's; the second under a paced load
on the others, of which the answers of each tenth of a second are known; the third is killed before.

Each target holds a million counters in the column of its running process, as counting left them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import attrs
import trio

from tests.bench.filling import count_many, longest_hold_ms, until_dead, until_shown
from tests.bench.paced import Tick, paced
from tests.bench.passing import Passing
from tests.bench.rows import Row
from tests.cluster.processes import Cluster, ClusterError, Plan, open_cluster

NODES = 5
COUNTERS, COUNTERS_QUICK = 1_000_000, 100_000
QUIET, LOADED, DEAD = "n5", "n4", "n3"
STAY = ("n1", "n2")
GCOUNTERCTL = Path(sys.executable).parent / "gcounterctl"
# Increments a second offered to each of those that are not removed, a fraction of what they take.
RATE = 300.0
# The load before the command, to compare with, and from the end of the removal on.
BEFORE_S, AFTER_S = 4.0, 1.0
# A node tells of the longest hold of the last 30 to 60 s; older ones are none of the removal's.
HOLD_WINDOW_S = 62.0


@attrs.define
class Found:
    """What the three removals came to."""

    counters: int
    seconds: dict[str, float] = attrs.Factory(dict)
    counts_bytes: int = 0
    all_bytes: int = 0
    longest_ms: float = 0.0
    longest_loaded_ms: float = 0.0
    kept: float = 0.0
    rate_before: float = 0.0


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of removal; in a hurry with fewer counters, and loops are not judged."""
    found = Found(COUNTERS_QUICK if quick else COUNTERS)
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), found, quick)
    what = f"{NODES} nodes of {found.counters:,} counters"
    passed = f"{found.all_bytes:,} bytes in all, probes and roster included"
    held = f"under load {found.longest_loaded_ms:.2f} ms"
    rate = f"of {found.rate_before:,.0f} a second before"
    hold = None if quick else found.longest_ms
    return [
        Row("removing", f"{what}, a live one removed", found.seconds[QUIET], "s", at_most=5),
        Row(
            "removing",
            "counts on the wire meanwhile",
            found.counts_bytes,
            "bytes",
            at_most=1024,
            remark=passed,
        ),
        Row("removing", "longest hold of a loop", hold, "ms", at_most=5, remark=held),
        Row("removing", "another one, under load", found.seconds[LOADED], "s", at_most=5),
        Row(
            "removing",
            "rate that the others kept meanwhile",
            found.kept,
            "",
            at_least=0.8,
            remark=rate,
        ),
        Row("removing", "a dead one, from the command", found.seconds[DEAD], "s", at_most=5),
    ]


async def _run(place: Path, found: Found, quick: bool) -> None:
    passing = Passing()
    async with open_cluster(Plan(place, NODES, 0, 0, tap=passing), print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        for name in (QUIET, LOADED, DEAD):
            await count_many(cluster, name, found.counters)
        await until_shown(cluster, found.counters, 3)
        await trio.sleep(0 if quick else HOLD_WINDOW_S)
        counts, everything = passing.counts(), passing.bytes.total()
        found.seconds[QUIET] = await remove(cluster, QUIET)
        found.counts_bytes = passing.counts() - counts
        found.all_bytes = passing.bytes.total() - everything
        found.longest_ms = await longest_hold_ms(cluster, (LOADED, DEAD, *STAY))
        await _remove_under_load(cluster, found)
        found.longest_loaded_ms = await longest_hold_ms(cluster, (DEAD, *STAY))
        await cluster.kill(DEAD)
        await until_dead(cluster, DEAD)
        found.seconds[DEAD] = await remove(cluster, DEAD, "--dead")


async def _remove_under_load(cluster: Cluster, found: Found) -> None:
    async with paced(cluster, (DEAD, *STAY), RATE) as trace:
        await trio.sleep(BEFORE_S)
        began = time.monotonic()
        found.seconds[LOADED] = await remove(cluster, LOADED)
        ended = time.monotonic()
        await trio.sleep(AFTER_S)
    found.rate_before = answered(trace, began - BEFORE_S / 2, began) / (BEFORE_S / 2)
    found.kept = answered(trace, began, ended) / (ended - began) / found.rate_before


def answered(trace: Iterable[Tick], since: float, until: float) -> float:
    """Return how many increments were answered between two times of the monotonic clock."""
    return sum(tick.good for tick in trace if since < tick.at <= until)


async def remove(cluster: Cluster, target: str, *options: str) -> float:
    """Remove a node as an operator does; return the seconds from the command to its end."""
    command = [str(GCOUNTERCTL), "--address", cluster.find(STAY[0]).url]
    command += ["remove-node", target, "--into", STAY[1], "--yes", *options]
    began = trio.current_time()
    done = await trio.run_process(
        command, check=False, capture_stdout=True, capture_stderr=True, stdin=subprocess.DEVNULL
    )
    seconds = trio.current_time() - began
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace")
        raise ClusterError(f"removing {target}: exit {done.returncode}:\n{said}")
    return seconds
