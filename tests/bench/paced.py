"""A paced load beside a measurement: the pacer's process, and what was answered when.

This module refuses to know what the load is compared with.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import attrs
import trio

from tests.cluster.processes import Cluster

# Between two accounts of the pacer.
EVERY_S = 0.1
# Longer than any measurement; the pacer is ended with the block.
FOR_S = 3600


@attrs.frozen
class Tick:
    """Increments answered at all nodes from the tick before until `at`, of the monotonic clock."""

    at: float
    good: int


@asynccontextmanager
async def paced(cluster: Cluster, names: Iterable[str], rate: float) -> AsyncIterator[list[Tick]]:
    """Offer `rate` increments a second to each of these nodes; the list grows meanwhile."""
    ports = [str(cluster.find(name).http_port) for name in names]
    command = [sys.executable, "-m", "tests.bench.pacer", "--rate", str(rate)]
    command += ["--seconds", str(FOR_S), "--every", str(EVERY_S), *ports]
    trace: list[Tick] = []
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        nursery.start_soon(_read, process, trace)
        try:
            yield trace
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()


async def _read(process: trio.Process, trace: list[Tick]) -> None:
    assert process.stdout is not None
    rest, before = b"", 0
    async for chunk in process.stdout:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            told = json.loads(line)
            trace.append(Tick(told["at"], told["good"] - before))
            before = told["good"]
