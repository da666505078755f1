"""Rows `large` and `huge`: a node of a million counters in three columns, or of ten million in one:
its start, its memory, a checkpoint.

Theory. A checkpoint is background work, so what matters is what the foreground feels of it. The
node itself says how long its loop was held and how long a commit waited for the disk's thread; the
client says how long its increments took. A paced load runs before the checkpoint, to compare with,
and through it. A few increments of new counters then take the journal over its limit, and every
segment of every column is dirty by then: see `large_store`.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import trio

from tests.bench import nodes
from tests.bench.large_store import JOURNAL_ROOM_BYTES, make_stores
from tests.bench.nodes import Figures
from tests.bench.rows import Row, percentile
from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster

MB = 1_000_000
# The load: so many clients, each with a request every so often.
CLIENTS = 8
PAUSE_S = 0.008
CALM_S = 5.0
# Requests that fill the journal: new counters of long names, few enough for a short step each.
KEYS_PER_REQUEST = 100
LONG_NAME = "a-new-counter-of-a-long-name/" + "x" * 200


@attrs.frozen
class Size:
    """What a row holds, and its bounds: seconds until ready, if there is one, and MB resident."""

    row: str
    counters: int
    columns: int
    start_s: float | None
    resident_mb: float


LARGE = Size("large", 1_000_000, 3, 2, 350)
HUGE = Size("huge", 10_000_000, 1, None, 4000)


@attrs.define
class Load:
    """Increments in a steady trickle; the waits of the present phase, in seconds."""

    port: int
    waits: list[float] = attrs.Factory(list)

    async def run(self, key: str) -> None:
        """Be one client, until cancelled."""
        client = Client("127.0.0.1", self.port)
        target = counter_target(key)
        while True:
            began = trio.current_time()
            answer = await client.request("POST", target)
            assert answer.status == 200, answer
            self.waits.append(trio.current_time() - began)
            await trio.sleep(PAUSE_S)

    def next_phase(self) -> list[float]:
        """Return the waits so far, and begin afresh."""
        waits, self.waits = self.waits, []
        return waits


@attrs.define
class Found:
    """What one run gave, in seconds and bytes."""

    starts: list[float] = attrs.Factory(list)
    cpu: list[float] = attrs.Factory(list)
    resident: int = 0
    calm: list[float] = attrs.Factory(list)
    busy: list[float] = attrs.Factory(list)
    before: Figures = attrs.Factory(dict)
    after: Figures = attrs.Factory(dict)


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of a large node."""
    return _measure(LARGE, 1 if quick else 3)


def measure_huge(*, quick: bool) -> list[Row]:
    """Return the rows of a huge node, which take some minutes: none in a hurry."""
    if quick:
        return [Row(HUGE.row, f"{HUGE.counters:,} counters", None, remark="takes some minutes")]
    return _measure(HUGE, 1)


def _measure(size: Size, starts: int) -> list[Row]:
    found = Found()
    with tempfile.TemporaryDirectory() as place:
        # In a process of its own: what it takes to make them is not kept beside the node.
        directories = [Path(place) / "n1" / "data"]
        making = multiprocessing.get_context("spawn").Process(
            target=make_stores,
            args=(directories, size.counters, size.columns),
            kwargs={"journal": True},
        )
        making.start()
        making.join()
        assert making.exitcode == 0
        trio.run(_run, Path(place), starts, found)
    return [*_start_rows(size, found), *_checkpoint_rows(size, found)]


async def _run(place: Path, starts: int, found: Found) -> None:
    async with open_cluster(Plan(place, nodes=1, http_base=0, peer_base=0), print) as cluster:
        for number in range(starts):
            if number:
                await nodes.stop(cluster, "n1")
            found.starts.append(await nodes.start_and_time(cluster, "n1"))
            found.cpu.append(nodes.cpu_seconds(cluster.find("n1")))
        found.resident = nodes.resident_bytes(cluster.find("n1"))
        await _checkpoint(cluster, found)


async def _checkpoint(cluster: Cluster, found: Found) -> None:
    port = cluster.find("n1").http_port
    client, load = Client("127.0.0.1", port), Load(port)
    async with trio.open_nursery() as nursery:
        for number in range(CLIENTS):
            nursery.start_soon(load.run, f"load-{number}")
        await trio.sleep(CALM_S)
        found.before = await nodes.read_figures(client)
        found.calm = load.next_phase()
        for body in _bodies():
            answer = await client.request("POST", "/v1/counters", body)
            assert answer.status == 200, answer
        with trio.fail_after(nodes.PATIENCE_S):
            while True:
                found.after = await nodes.read_figures(client)
                if found.after["checkpoints"] > found.before["checkpoints"]:
                    break
                await trio.sleep(nodes.POLL_S)
        found.busy = load.next_phase()
        nursery.cancel_scope.cancel()


def _bodies() -> Iterator[bytes]:
    """Yield requests that take the journal over the limit of its size."""
    size = number = 0
    while size < JOURNAL_ROOM_BYTES:
        keys = [f"{LONG_NAME}{number + i}" for i in range(KEYS_PER_REQUEST)]
        number += KEYS_PER_REQUEST
        size += sum(map(len, keys))
        yield json.dumps({"counts": dict.fromkeys(keys, 1)}).encode()


def _start_rows(size: Size, found: Found) -> list[Row]:
    start, resident = statistics.median(found.starts), found.resident / MB
    what = f"{size.counters:,} counters, {size.columns} column{'s' * (size.columns > 1)}"
    journal = found.before["journal_bytes"] / MB
    cpu = statistics.median(found.cpu)
    of = f"median of {len(found.starts)}; {cpu:.2f} s of CPU; journal of {journal:.1f} MB"
    return [
        Row(
            size.row,
            f"{what}: start of the process to ready",
            start,
            "s",
            at_most=size.start_s,
            remark=of,
        ),
        Row(size.row, f"{what}: resident when ready", resident, "MB", at_most=size.resident_mb),
    ]


def _checkpoint_rows(size: Size, found: Found) -> list[Row]:
    images = f"images of {found.after['image_bytes'] / MB:.1f} MB"
    before, after = found.before, found.after
    peak = after["resident_peak_bytes"] / MB
    most = size.resident_mb if size is HUGE else None
    return [
        Row(size.row, "the same: resident at most", peak, "MB", at_most=most),
        Row(
            size.row,
            "a checkpoint of all segments: longest hold of the loop",
            1000 * after["longest_turn_seconds"],
            "ms",
            at_most=5,
            remark=f"{images}; {1000 * before['longest_turn_seconds']:.2f} ms before",
        ),
        Row(
            size.row,
            "the same: longest wait of a commit, its own fsync not counted",
            1000 * after["longest_append_wait_seconds"],
            "ms",
            at_most=30 if size is LARGE else None,
            remark=f"{1000 * before['longest_append_wait_seconds']:.2f} ms before",
        ),
        Row(
            size.row,
            "the same: longest wait of a client for an increment",
            1000 * max(found.busy),
            "ms",
            remark=f"of {len(found.busy):,}, p99 {1000 * percentile(found.busy, 0.99):.1f}; before:"
            f" {1000 * max(found.calm):.1f}, p99 {1000 * percentile(found.calm, 0.99):.1f}",
        ),
    ]
