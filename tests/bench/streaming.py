"""Row `streaming`: a thousand pages that watch one node while it counts.

Theory. Three figures of one node. How late a page shows an increment while 5,000 a second arrive:
from its answer to the event that covers it, over all streams. What one stream takes of the node's
memory: its resident size with and without them. And what is left of the rate of increments, by the
same load with and without streams in turn, so that what else the machine does falls on both.

The streams, the load and the node share the machine; a page is a socket that is read at once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import trio

from tests.bench.contest import Contest, play
from tests.bench.hits import run_wrk
from tests.bench.nodes import resident_bytes
from tests.bench.rows import Row
from tests.cluster.processes import Cluster, Plan, open_cluster

STREAMS = 1000
RATE = 5000.0
KB = 1000


def measure(*, quick: bool) -> list[Row]:
    """Return delay, memory, and the share of the rate that is kept."""
    contest, told = Contest(), dict[str, float]()
    rounds, seconds = (2, 2.0) if quick else (5, 4.0)
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), rounds, seconds, contest, told)
    what = f"{STREAMS} streams, {RATE:g} increments a second"
    spread = f"p50 {told['p50']:.2f}, most {told['p100']:.2f}, of {told['shown']:.0f}"
    kept = contest.share("with", "without")
    remark = contest.share_spread("with", "without") if kept else "wrk is not installed"
    size = told["bytes"] / STREAMS / KB
    return [
        Row("streaming", f"{what}: p99 in the page", told["p99"], "s", at_most=1, remark=spread),
        Row("streaming", f"{what}: streams lost", told["lost"], at_most=0),
        Row("streaming", f"{what}: answered", told["rate"], "a second"),
        Row("streaming", "resident size of a stream", size, "KB", at_most=30),
        Row("streaming", "increments kept with streams", kept, at_least=0.7, remark=remark),
    ]


async def _run(
    place: Path, rounds: int, seconds: float, contest: Contest, told: dict[str, float]
) -> None:
    async with open_cluster(Plan(place / "nodes", 1, 0, 0), print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").http_port
        await _pace(port, 1.0, {})  # the counters and buffers of the load are there before
        before = resident_bytes(cluster.find("n1"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pace, port, 2 * seconds + 2, told)
            told |= await _watch(port, 2 * seconds, cluster, before)
        if shutil.which("wrk") is None:
            return
        script = place / "post.lua"
        script.write_text('wrk.method = "POST"\n')

        async def alone() -> float:
            return await trio.to_thread.run_sync(run_wrk, port, script, seconds)

        async def watched() -> float:
            return await _load_while_watched(port, script, seconds)

        await play(contest, {"without": alone, "with": watched}, rounds)


async def _pace(port: int, seconds: float, told: dict[str, float]) -> None:
    """Offer increments for so long, and note how many a second were answered."""
    command = [sys.executable, "-m", "tests.bench.pacer"]
    command += ["--rate", str(RATE), "--seconds", str(seconds), str(port)]
    done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
    found = json.loads(done.stdout.splitlines()[-1])
    told["rate"] = found["ports"][str(port)]["good"] / found["seconds"]


def _command(port: int, seconds: float) -> list[str]:
    command = [sys.executable, "-m", "tests.bench.watchers"]
    return [*command, "--streams", str(STREAMS), "--seconds", str(seconds), str(port)]


async def _watch(port: int, seconds: float, cluster: Cluster, before: int) -> dict[str, float]:
    """Watch for so long; return what the watchers found, and by how much the node has grown."""
    process = await trio.lowlevel.open_process(_command(port, seconds), stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = b""
    async for piece in process.stdout:
        if not text:
            grown = resident_bytes(cluster.find("n1")) - before
        text += piece
    await process.wait()
    found: dict[str, float] = json.loads(text.splitlines()[-1])
    return {**found, "bytes": grown}


async def _load_while_watched(port: int, script: Path, seconds: float) -> float:
    """Return the rate of increments while all streams are open."""
    command = _command(port, seconds + 1.0)
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.receive_some()  # all are open
    rate = await trio.to_thread.run_sync(run_wrk, port, script, seconds)
    async for _ in process.stdout:
        pass
    await process.wait()
    return rate
