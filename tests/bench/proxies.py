"""Rows `proxies`: what it costs to go to shards through HAProxy and nutcracker.

Theory. The same load is put on one node of a shard directly and on the proxies before two shards of
two nodes, in turn, set up as the page on shards shows it. Through the proxies the load falls on
four nodes; on a machine where all of this and the load share two processors that is no gain, so the
rates tell what a small machine loses, and the CPU of each proxy for each increment what a real one
must set aside.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import trio

from tests.bench import hits, redis
from tests.bench.contest import Contender, Contest, play
from tests.bench.incr import ROUND_S, ROUNDS, WARM_UP_RATE, WARM_UP_S, share
from tests.bench.nodes import cpu_of
from tests.bench.pipeliner import count_all
from tests.bench.redis import KEYS, Load, run_benchmark
from tests.bench.rows import Row
from tests.cluster.programs import lacking
from tests.cluster.shards import HAPROXY, NUTCRACKER, open_shards

DEPTH = 16
DIRECT, PROXIED = "direct", "proxied"
# CPU of each proxy for an increment, noted beside the rates.
HAPROXY_US, NUTCRACKER_US = "haproxy", "nutcracker"


def measure(*, quick: bool) -> list[Row]:
    """Return the rates with and without proxies, and the CPU of these."""
    if why := lacking("wrk", redis.BENCHMARK, HAPROXY, NUTCRACKER):
        return [Row("proxies", "shards behind proxies", None, remark=why)]
    web, resp = Contest(), Contest()
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), quick, web, resp)
    resp_what = f"INCR, 50 clients, -P {DEPTH}"
    return [
        *_rows("POST, 64 connections, one counter", "HAProxy to two nodes", web, HAPROXY_US),
        *_rows(resp_what, "nutcracker and HAProxy to two shards", resp, HAPROXY_US, NUTCRACKER_US),
    ]


def _rows(what: str, through: str, contest: Contest, *proxies: str) -> list[Row]:
    return [
        Row(
            "proxies", f"{what}: one node", contest.median(DIRECT), "a second",
            remark=contest.spread(DIRECT),
        ),
        Row(
            "proxies", f"{what}: through {through}", contest.median(PROXIED),
            "a second", remark=contest.spread(PROXIED),
        ),
        share("proxies", f"{what}: the second, as a share", contest, DIRECT, None, PROXIED),
        *(
            Row("proxies", f"{what}: CPU of {name} for each", contest.median(name), "µs")
            for name in proxies
        ),
    ]  # fmt: skip


async def _run(place: Path, quick: bool, web: Contest, resp: Contest) -> None:
    rounds, seconds = ROUNDS[not quick], ROUND_S[not quick]
    script = hits.write_script(place)
    async with open_shards(place / "shards") as shards:
        node = next(iter(shards.clusters.values())).find("n1")
        pids = {HAPROXY_US: shards.haproxy.pid, NUTCRACKER_US: shards.nutcracker.pid}

        async def hit(contest: Contest, port: int) -> float:
            before = cpu_of(pids[HAPROXY_US])
            rate = await trio.to_thread.run_sync(hits.run_wrk, port, script, seconds)
            if port == shards.http_port:
                contest.note(
                    HAPROXY_US, 1e6 * (cpu_of(pids[HAPROXY_US]) - before) / (rate * seconds)
                )
            return rate

        async def incr(contest: Contest, port: int, requests: int) -> float:
            before = {name: cpu_of(pid) for name, pid in pids.items()}
            rate = await run_benchmark(port, Load(DEPTH), requests)
            for name, pid in pids.items():
                if port == shards.resp_port:
                    contest.note(name, 1e6 * (cpu_of(pid) - before[name]) / requests)
            return rate

        ports = {DIRECT: node.http_port, PROXIED: shards.http_port}
        await play(web, {who: partial(hit, web, port) for who, port in ports.items()}, rounds)
        await count_all(node.resp_port, KEYS, again=True)
        await count_all(shards.resp_port, KEYS, again=True)
        contenders: dict[str, Contender] = {}
        for who, port in {DIRECT: node.resp_port, PROXIED: shards.resp_port}.items():
            warm = Load(DEPTH).requests(WARM_UP_RATE, WARM_UP_S)
            rate = await run_benchmark(port, Load(DEPTH), warm)
            requests = Load(DEPTH).requests(rate, seconds)
            contenders[who] = partial(incr, resp, port, requests)
        await play(resp, contenders, rounds)
