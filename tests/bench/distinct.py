"""Rows `distinct` and `footprint`: a million different keys, how fast and in how much memory.

Theory. A new key costs more than a known one: an entry of the index, places in arrays that grow,
its name in the journal. Every round starts both servers afresh, on empty disks, so no round finds
keys. Memory is the resident size of the process after all that, less what it had at its start. Two
nodes then give what a further column costs (the other one counts the same keys), and what a base
costs (the first is killed, comes back with its old column closed, and counts all keys once more).
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import trio

from tests.bench import filling, nodes, pipeliner, redis
from tests.bench.contest import Contest, play
from tests.bench.incr import OURS, THEIRS, cpu_name, share, show_rate
from tests.bench.nodes import cpu_of, open_resp, resident_bytes, resident_of
from tests.bench.rows import Row
from tests.cluster.processes import Cluster, Node
from tests.cluster.programs import lacking

KEYS, KEYS_QUICK = 1_000_000, 200_000
ROUNDS, ROUNDS_QUICK = 5, 2
SHARE_AT_LEAST = 0.7
TIMES_REDIS_AT_MOST = 2.5
MORE_BYTES_AT_MOST = 40
# Memory is at rest when it has not moved by so much for so long; checkpoints take their time.
CALM_BYTES, CALM_S, CALM_WAIT_S = 1_000_000, 3.0, 60.0


def measure(*, quick: bool) -> list[Row]:
    """Return the rates of counting new keys."""
    keys = KEYS_QUICK if quick else KEYS
    what = f"INCR of {keys:,} different new keys, 50 clients, -P {pipeliner.DEPTH}"
    contest = Contest()
    if not (why := lacking(redis.SERVER)):
        with tempfile.TemporaryDirectory() as place:
            trio.run(_race, Path(place), keys, ROUNDS_QUICK if quick else ROUNDS, contest)
    contest.absent.update(dict.fromkeys((OURS, THEIRS), why))
    return [
        show_rate("distinct", f"{what}: a node, commit", contest, OURS),
        show_rate("distinct", f"{what}: Redis, appendfsync always", contest, THEIRS),
        share("distinct", f"{what}: share of Redis", contest, THEIRS, SHARE_AT_LEAST),
    ]


async def _race(place: Path, keys: int, rounds: int, contest: Contest) -> None:
    numbers = iter(range(2 * rounds))

    async def ours() -> float:
        async with open_resp(place / f"round{next(numbers)}", 1, "commit") as cluster:
            node = cluster.find("n1")
            assert node.process is not None
            return await count(OURS, node.resp_port, node.process.pid)

    async def theirs() -> float:
        async with redis.open_redis(place / f"round{next(numbers)}", "always") as (port, process):
            return await count(THEIRS, port, process.pid)

    async def count(who: str, port: int, pid: int) -> float:
        before = cpu_of(pid)
        seconds = await pipeliner.count_all(port, keys)
        contest.note(cpu_name(who), 1e6 * (cpu_of(pid) - before) / keys)
        return keys / seconds

    await play(contest, {OURS: ours, THEIRS: theirs}, rounds)


def measure_footprint(*, quick: bool) -> list[Row]:
    """Return the bytes per counter: of Redis, of one column, of each further column and base."""
    keys = KEYS_QUICK if quick else KEYS
    what = f"memory for each of {keys:,} keys of {len(pipeliner.make_key(0))} bytes"
    with tempfile.TemporaryDirectory() as place:
        own, column, base = trio.run(_weigh_ours, Path(place), keys)
        theirs, why = None, lacking(redis.SERVER)
        if not why:
            theirs = trio.run(_weigh_redis, Path(place) / "redis", keys)
    times = Row(
        "footprint",
        "a node with one column, times Redis",
        own / theirs if theirs else None,
        at_most=TIMES_REDIS_AT_MOST,
        remark=why,
    )
    more = partial(Row, "footprint", unit="bytes", at_most=MORE_BYTES_AT_MOST)
    return [
        Row("footprint", f"{what}: a node, its own column", own, "bytes"),
        Row("footprint", f"{what}: Redis", theirs, "bytes", remark=why),
        times,
        more("each further column, another node's", value=column),
        more("a base: the column of its life before a kill", value=base),
    ]


async def _weigh_redis(place: Path, keys: int) -> float:
    async with redis.open_redis(place, "everysec") as (port, process):
        before = resident_of(process.pid)
        await pipeliner.count_all(port, keys)
        return (await at_rest(process.pid) - before) / keys


async def _weigh_ours(place: Path, keys: int) -> tuple[float, float, float]:
    async with open_resp(place, 2, "relaxed") as cluster:
        one, other = cluster.nodes.values()
        empty = resident_bytes(one)
        sizes = [await _count_and_weigh(cluster, one, one, keys, 1)]
        sizes.append(await _count_and_weigh(cluster, other, one, keys, 2))
        await cluster.kill(one.name)
        await nodes.start_and_time(cluster, one.name)
        sizes.append(await _count_and_weigh(cluster, one, one, keys, 3))
    own, column, base = (
        (size - before) / keys for size, before in zip(sizes, [empty, *sizes], strict=False)
    )
    return own, column, base


async def _count_and_weigh(
    cluster: Cluster, counting: Node, weighed: Node, keys: int, value: int
) -> int:
    await pipeliner.count_all(counting.resp_port, keys, again=value > 1)
    await filling.until_value(cluster, pipeliner.make_key(keys - 1).decode(), value)
    assert weighed.process is not None
    return await at_rest(weighed.process.pid)


async def at_rest(pid: int) -> int:
    """Return the resident size of a process when it has stopped moving, in bytes."""
    size = resident_of(pid)
    since = trio.current_time()
    with trio.move_on_after(CALM_WAIT_S):
        while trio.current_time() - since < CALM_S:
            await trio.sleep(CALM_S / 10)
            now = resident_of(pid)
            if abs(now - size) > CALM_BYTES:
                size, since = now, trio.current_time()
    return resident_of(pid)
