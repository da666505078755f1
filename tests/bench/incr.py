"""Rows `incr`, `relaxed` and `limit`: INCR over RESP from 50 clients, on 100,000 random keys.

Theory. A node alone with `--durability commit` promises what Redis does with `appendfsync always`,
and with `relaxed` what Redis does with `everysec`; so each pair takes turns under the same load, at
several depths of pipelines, on keys that exist (new ones are `distinct`). The CPU that a server
takes for each increment stands beside its rate: it tells, also on a busy machine, what the server
could do with a processor of its own. The C program that does the least takes part in the first:
what it and Redis reach shows whether disk and client leave room for more at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import attrs
import trio

from tests.bench import limit, redis
from tests.bench.contest import Contest, play
from tests.bench.nodes import cpu_of, open_resp
from tests.bench.pipeliner import count_all
from tests.bench.redis import CLIENTS, KEYS, Load, run_benchmark
from tests.bench.rows import Row, show_number
from tests.cluster.programs import lacking

# The shares of Redis's rate to reach, by depth of pipelines.
COMMIT = {1: 0.6, 16: 0.8, 64: 1.0}
RELAXED = {1: 0.6, 16: 0.6, 64: 0.6}
OURS, THEIRS, LEAST = "ours", "redis", "limit"
# To find the rate of each.
WARM_UP_RATE, WARM_UP_S = 50_000.0, 1.0
ROUNDS, ROUND_S = (3, 5), (1.0, 2.0)


@attrs.frozen
class Server:
    """A server of RESP on 127.0.0.1."""

    port: int
    pid: int


def measure(*, quick: bool) -> list[Row]:
    """Return the rates with a sync before each answer, and the shares of Redis and of the limit."""
    contests = _compete("commit", "always", tuple(COMMIT), quick=quick, least=True)
    rows = []
    for depth, contest in contests.items():
        rows += compare("incr", "commit", "always", depth, contest, COMMIT[depth])
        rows += _limits(depth, contest)
    return rows


def measure_relaxed(*, quick: bool) -> list[Row]:
    """Return the rates with a sync once a second or so, and the shares of Redis."""
    contests = _compete("relaxed", "everysec", tuple(RELAXED), quick=quick, least=False)
    return [
        row
        for depth, contest in contests.items()
        for row in compare("relaxed", "relaxed", "everysec", depth, contest, RELAXED[depth])
    ]


def _compete(
    durability: str, appendfsync: str, depths: tuple[int, ...], *, quick: bool, least: bool
) -> dict[int, Contest]:
    async def run(place: Path) -> dict[int, Contest]:
        missing = {THEIRS: lacking(redis.SERVER)}
        if least:
            missing[LEAST] = limit.lacking()
        async with AsyncExitStack() as held:
            cluster = await held.enter_async_context(open_resp(place / "nodes", 1, durability))
            node = cluster.find("n1")
            assert node.process is not None
            servers = {OURS: Server(node.resp_port, node.process.pid)}
            if not missing[THEIRS]:
                opened = redis.open_redis(place / "redis", appendfsync)
                port, process = await held.enter_async_context(opened)
                servers[THEIRS] = Server(port, process.pid)
            if least and not missing[LEAST]:
                port, process = await held.enter_async_context(limit.open_limit(place / "limit"))
                servers[LEAST] = Server(port, process.pid)
            for server in servers.values():
                await count_all(server.port, KEYS, again=True)
            return {
                depth: await compete(servers, Load(depth), ROUNDS[not quick], ROUND_S[not quick])
                for depth in depths
            }

    if why := lacking(redis.BENCHMARK):
        return {
            depth: Contest(absent=dict.fromkeys((OURS, THEIRS, LEAST), why)) for depth in depths
        }
    with tempfile.TemporaryDirectory() as place:
        return trio.run(run, Path(place))


async def compete(
    servers: Mapping[str, Server],
    load: Load,
    rounds: int,
    seconds: float,
    warm_up_s: float = WARM_UP_S,
) -> Contest:
    """Put the same load on all servers in turn; return the rates by name, and the CPU of each."""
    contest = Contest()

    async def run(who: str, requests: int) -> float:
        before = cpu_of(servers[who].pid)
        rate = await run_benchmark(servers[who].port, load, requests)
        contest.note(cpu_name(who), 1e6 * (cpu_of(servers[who].pid) - before) / requests)
        return rate

    contenders = {}
    for who, server in servers.items():
        rate = await run_benchmark(server.port, load, load.requests(WARM_UP_RATE, warm_up_s))
        contenders[who] = partial(run, who, load.requests(rate, seconds))
    await play(contest, contenders, rounds)
    return contest


def cpu_name(who: str) -> str:
    """Return the name under which the CPU of a contender is noted beside its rate."""
    return f"µs of CPU of {who}"


def compare(
    name: str, durability: str, appendfsync: str, depth: int, contest: Contest, aim: float
) -> list[Row]:
    """Return the rows of one depth: both rates, and the share with its target."""
    what = f"INCR, {CLIENTS} clients, {KEYS:,} keys, -P {depth}"
    ours = f"{what}: a node, durability {durability}"
    theirs = f"{what}: Redis, appendfsync {appendfsync}"
    return [
        show_rate(name, ours, contest, OURS),
        show_rate(name, theirs, contest, THEIRS),
        share(name, f"{what}: the node, as a share of Redis", contest, THEIRS, aim),
    ]


def _limits(depth: int, contest: Contest) -> list[Row]:
    what = f"INCR, -P {depth}"
    rows = [
        show_rate(
            "limit", f"{what}: C that only parses, appends, syncs and answers", contest, LEAST
        ),
        share("limit", f"{what}: the node, as a share of that", contest, LEAST),
    ]
    if (redis_share := contest.share(THEIRS, LEAST)) is not None:
        rows.append(Row("limit", f"{what}: Redis, as a share of that", redis_share))
    return rows


def show_rate(name: str, what: str, contest: Contest, who: str) -> Row:
    """Return the row of a rate and of the CPU that was noted beside it, or why there is none."""
    median = contest.median(who)
    if median is None:
        return Row(name, what, None, remark=contest.absent.get(who, ""))
    cpu = contest.median(cpu_name(who))
    each = "" if cpu is None else f"; {show_number(cpu)} µs of CPU each"
    return Row(name, what, median, "a second", remark=contest.spread(who) + each)


def share(
    name: str, what: str, contest: Contest, other: str, aim: float | None = None, who: str = OURS
) -> Row:
    """Return the row of a share, or the reason why there is none."""
    value = contest.share(who, other)
    if value is None:
        missing = other if other not in contest.rates else who
        return Row(name, what, None, at_least=aim, remark=contest.absent.get(missing, ""))
    return Row(name, what, value, at_least=aim, remark=contest.share_spread(who, other))
