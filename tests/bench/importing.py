"""Row `importing`: a million counters brought into one of two nodes, and written out again.

Theory. An import is put in order, checked, made durable and closed, all of it on the loop that
answers clients; a peer then takes it in as a closed column, and an export looks at every counter in
the order of keys. Each is millions of small things, so what matters is how long others wait for
the longest step. The node says that itself, of the last minute at most: so the export, by the node
that took the import, begins when a minute has passed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import numpy as np
import trio

from tests.bench import nodes, sample
from tests.bench.nodes import Figures
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Cluster, Plan, open_cluster

COUNTERS, COUNTERS_QUICK = 1_000_000, 100_000
GIVER, PEER = "n1", "n2"
# After so long a node shows nothing of what was before.
FORGOTTEN_S = 61.0
READ_BYTES = 256 * 1024
_END = b"\r\n0\r\n\r\n"


@attrs.frozen
class Phase:
    """How long one phase took, and what the busier node said of its longest step and turn."""

    what: str
    seconds: float
    step_s: float
    turn_s: float


def measure(*, quick: bool) -> list[Row]:
    """Return two rows for each phase."""
    counters = COUNTERS_QUICK if quick else COUNTERS
    with tempfile.TemporaryDirectory() as place:
        phases = trio.run(_run, Path(place), counters)
    rows = []
    for phase in phases:
        what = f"{counters:,} counters {phase.what}"
        rows += [
            Row("importing", what, phase.seconds, "s"),
            Row(
                "importing",
                f"{what}: longest step",
                1000 * phase.step_s,
                "ms",
                at_most=5,
                remark=f"between two looks at I/O {1000 * phase.turn_s:.2f}",
            ),
        ]
    return rows


async def _run(place: Path, counters: int) -> list[Phase]:
    async with open_cluster(Plan(place, nodes=2, http_base=0, peer_base=0), print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        body = _write(counters)
        began = trio.current_time()
        await _bring(cluster, body)
        brought = trio.current_time()
        import_phase = await _phase(cluster, GIVER, "imported", brought - began)
        client = Client("127.0.0.1", cluster.find(PEER).http_port)
        with trio.fail_after(nodes.PATIENCE_S):
            while (await nodes.read_figures(client))["counters"] < counters:
                await trio.sleep(nodes.POLL_S)
        taken = trio.current_time() - began
        peer_phase = await _phase(cluster, PEER, "taken in by a peer as well", taken)
        await trio.sleep(FORGOTTEN_S)
        began = trio.current_time()
        size = await _write_out(cluster)
        seconds = trio.current_time() - began
        assert size > len(body), "not all counters were written out"
        return [import_phase, peer_phase, await _phase(cluster, GIVER, "exported", seconds)]


async def _phase(cluster: Cluster, name: str, what: str, seconds: float) -> Phase:
    client = Client("127.0.0.1", cluster.find(name).http_port)
    figures: Figures = await nodes.read_figures(client)
    client.drop()
    return Phase(what, seconds, figures["longest_step_seconds"], figures["longest_turn_seconds"])


def _write(counters: int) -> bytes:
    """Return a CSV file of that many counters, in no order."""
    generator = np.random.default_rng(sample.SEED)
    names = sample.make_names(counters)
    counts = sample.draw_counts("uniform", np.arange(counters), generator).tolist()
    order = generator.permutation(counters).tolist()
    return b"".join([b"%b,%d\n" % (names[at], counts[at]) for at in order])


async def _bring(cluster: Cluster, body: bytes) -> None:
    client = Client("127.0.0.1", cluster.find(GIVER).http_port)
    target = "/v1/imports?source=bench&format=csv"
    answer = await client.request("POST", target, body, wait_s=nodes.PATIENCE_S)
    assert answer.status == 200, answer
    client.drop()


async def _write_out(cluster: Cluster) -> int:
    """Read a whole export as fast as it comes; return its bytes."""
    stream = await trio.open_tcp_stream("127.0.0.1", cluster.find(GIVER).http_port)
    async with stream:
        await stream.send_all(b"GET /v1/export?format=json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        size, tail = 0, b""
        with trio.fail_after(nodes.PATIENCE_S):
            while not tail.endswith(_END):
                piece = await stream.receive_some(READ_BYTES)
                assert piece, "the export broke off"
                size, tail = size + len(piece), (tail + piece)[-len(_END) :]
        return size
