"""Rows `replicating`: what a node keeps of its rate when two others take in all that it counts.

Theory. The same load is put on a node alone and on one of three, in turn. The others' commits and
the load itself need processors too, so on a machine with fewer than four of them the rate also says
how they share; the increments for each second of the loaded node's own CPU say what replication
costs where a core is free for it. Links are direct, since a proxy between them would be measured as
well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import trio

from tests.bench import redis
from tests.bench.contest import Contest, play
from tests.bench.incr import ROUND_S, ROUNDS, WARM_UP_RATE, WARM_UP_S, share
from tests.bench.machine import read_ticks
from tests.bench.nodes import cpu_seconds, open_resp
from tests.bench.pipeliner import count_all
from tests.bench.redis import KEYS, Load, run_benchmark
from tests.bench.rows import Row
from tests.cluster.processes import Node
from tests.cluster.programs import lacking

NODES = 3
DEPTHS = (16, 64)
SHARE_AT_LEAST = 0.7
ALONE, AMONG = "alone", "among"


def measure(*, quick: bool) -> list[Row]:
    """Return the rates and the shares, by depth of pipelines."""
    if why := lacking(redis.BENCHMARK):
        return [Row("replicating", "INCR at one of 3 nodes", None, remark=why)]
    with tempfile.TemporaryDirectory() as place:
        found = trio.run(_run, Path(place), quick)
    rows = []
    for depth, (rates, per_cpu, busy) in found.items():
        what = f"INCR, -P {depth}, at one of {NODES} nodes"
        rows += [
            Row("replicating", what, rates.median(AMONG), "a second", remark=rates.spread(AMONG)),
            share(
                "replicating", f"{what}, as a share of a node alone", rates, ALONE,
                SHARE_AT_LEAST, AMONG,
            ),
            share(
                "replicating", f"{what}: increments for each second of its CPU, share of alone",
                per_cpu, ALONE, None, AMONG,
            ),
            Row("replicating", f"{what}: all processors, busy", 100 * busy, "%"),
        ]  # fmt: skip
    return rows


async def _run(place: Path, quick: bool) -> dict[int, tuple[Contest, Contest, float]]:
    async with AsyncExitStack() as held:
        loaded = {}
        for who, number in ((ALONE, 1), (AMONG, NODES)):
            cluster = await held.enter_async_context(open_resp(place / who, number, "commit"))
            loaded[who] = cluster.find("n1")
            await count_all(loaded[who].resp_port, KEYS, again=True)
        return {depth: await _compete(loaded, Load(depth), quick) for depth in DEPTHS}


async def _compete(
    loaded: dict[str, Node], load: Load, quick: bool
) -> tuple[Contest, Contest, float]:
    rates, per_cpu = Contest(), Contest()
    busy: list[float] = []

    async def run(who: str, requests: int) -> float:
        cpu, ticks = cpu_seconds(loaded[who]), read_ticks()
        rate = await run_benchmark(loaded[who].resp_port, load, requests)
        per_cpu.note(who, requests / (cpu_seconds(loaded[who]) - cpu))
        if who == AMONG:
            busy.append(ticks.busy_until(read_ticks()))
        return rate

    contenders: dict[str, Callable[[], Awaitable[float]]] = {}
    for who, node in loaded.items():
        warm = load.requests(WARM_UP_RATE, WARM_UP_S)
        rate = await run_benchmark(node.resp_port, load, warm)
        contenders[who] = partial(run, who, load.requests(rate, ROUND_S[not quick]))
    await play(rates, contenders, ROUNDS[not quick])
    return rates, per_cpu, sum(busy) / len(busy)
