"""Row `text`: a text of 10 MiB at one node, and whether others wait for it.

Theory. A text is split by a process of its own, so what it takes is mostly that process's time, and
the node answers others meanwhile. The text is drawn: a few words make most of it, 44,000 are
different, as in a book; some are not ASCII. The first text of a node starts the process and finds
all words new. What others wait is asked by one client, over and over, of a request that only needs
the node to be there; the longest answer is compared with one while nothing is counted.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from itertools import accumulate
from pathlib import Path

import attrs
import trio

from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Plan, open_cluster

SIZE = 10 * 2**20
DIFFERENT = 50_000
LETTERS = "etaoinshrdlcumwfgypbvkjxqzéüß"
ENDS = (" ",) * 20 + (", ", ". ", "\n")
# Between two requests that others make.
PROBE_EVERY_S = 0.01
WAIT_S = 60.0


@attrs.define
class Told:
    """Seconds: of each text, of the longest other answer without and with one; and long steps."""

    texts: list[float] = attrs.Factory(list)
    alone: float = 0.0
    beside: float = 0.0
    steps: float = 0.0


def measure(*, quick: bool) -> list[Row]:
    """Return how long texts take, and others meanwhile."""
    told = Told()
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), draw(SIZE), 2 if quick else 6, told)
    what = "10 MiB, 44,000 different words: POST /v1/text"
    first, *others = told.texts
    spread = f"{min(others):.2f} to {max(others):.2f}"
    again = statistics.median(others)
    remark = f"{told.alone * 1000:.0f} ms without a text"
    return [
        Row("text", f"{what}, the first at a node", first, "s", at_most=1.5),
        Row("text", f"{what}, another one", again, "s", at_most=1.5, remark=spread),
        Row("text", "longest answer to others meanwhile", told.beside * 1000, "ms", remark=remark),
        Row("text", "steps above 5 ms meanwhile", told.steps, at_most=0),
    ]


def draw(size: int) -> bytes:
    """Return a text of so many bytes."""
    chance = random.Random(1)
    falling = range(len(LETTERS), 0, -1)
    lengths = (chance.randint(2, 11) for _ in range(DIFFERENT))
    words = ["".join(chance.choices(LETTERS, falling, k=length)) for length in lengths]
    shares = list(accumulate(1 / (place + 3) for place in range(DIFFERENT)))
    text = bytearray()
    while len(text) < size:
        chosen = chance.choices(words, cum_weights=shares, k=10_000)
        ends = chance.choices(ENDS, k=10_000)
        text += "".join(word + end for word, end in zip(chosen, ends, strict=True)).encode()
    return bytes(text[:size]).decode(errors="ignore").encode()


async def _run(place: Path, text: bytes, times: int, told: Told) -> None:
    async with open_cluster(Plan(place / "nodes", 1, 0, 0), print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").http_port
        before = await _steps(port)
        with trio.move_on_after(2.0):
            told.alone = 0.0
            await _probe(port, told, "alone")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_probe, port, told, "beside")
            for _ in range(times):
                told.texts.append(await _send(port, text))
            nursery.cancel_scope.cancel()
        told.steps = await _steps(port) - before


async def _send(port: int, text: bytes) -> float:
    client = Client("127.0.0.1", port)
    began = time.perf_counter()
    answer = await client.request("POST", "/v1/text", text, wait_s=WAIT_S)
    took = time.perf_counter() - began
    client.drop()
    if answer.status != 200:
        raise RuntimeError(f"a text was answered {answer.status} {answer.body!r}")
    return took


async def _probe(port: int, told: Told, name: str) -> None:
    """Ask until cancelled, and note the longest answer."""
    client = Client("127.0.0.1", port)
    try:
        while True:
            began = time.perf_counter()
            await client.request("GET", "/livez")
            setattr(told, name, max(getattr(told, name), time.perf_counter() - began))
            await trio.sleep(PROBE_EVERY_S)
    finally:
        client.drop()


async def _steps(port: int) -> float:
    """Return how many steps of the node's loop were too long by now."""
    client = Client("127.0.0.1", port)
    answer = await client.request("GET", "/metrics")
    client.drop()
    lines = answer.body.decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("gcounterd_long_steps_total")
    )
