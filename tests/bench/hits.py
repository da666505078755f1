"""Row `hits`: `POST /v1/counters/x` from 64 connections, one request or 16 at a time on each.

Theory. Absolute figures belong to the machine, ratios travel: the node is compared with the bare
responder, which tells what HTTP on Trio costs anyway, and with Redis appending and syncing every
group of commands, which tells what a disk and C make of the same promise. All run in turn, a few
rounds each; the medians are compared. Each node's process has the machine to itself and its load.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path

import trio

from tests.bench import redis
from tests.bench.contest import Contender, Contest, play
from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Plan, open_cluster
from tests.cluster.programs import lacking

CONNECTIONS = 64
DEPTHS = (1, 16)
WHAT = f"POST /v1/counters/x, {CONNECTIONS} connections, durability commit"
# wrk counts answers, so requests that are sent together count as so many.
PIPELINED = """
init = function()
  local many = {}
  for i = 1, %d do many[i] = wrk.format("POST") end
  together = table.concat(many)
end
request = function() return together end
"""
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
# A tool that takes longer hangs.
PATIENCE_S = 60.0
# Of one redis-benchmark: some 2 s of a slow disk's work.
REDIS_REQUESTS = 60_000


def measure(*, quick: bool) -> list[Row]:
    """Return the rates and ratios."""
    rounds, seconds = (1, 2.0) if quick else (3, 4.0)
    if shutil.which("wrk") is None:
        return [Row("hits", WHAT, None, remark="wrk is not installed")]
    contests = {depth: Contest() for depth in DEPTHS}
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), rounds, seconds, contests)
    return [row for depth, contest in contests.items() for row in _show(depth, contest)]


def _show(depth: int, contest: Contest) -> list[Row]:
    node = contest.median("node")
    assert node is not None
    piped = f", {depth} at a time" if depth > 1 else ""
    rows = [Row("hits", WHAT + piped, node, "a second")]
    for who, label in (
        ("responder", "a bare httptools responder"),
        ("redis", "redis INCR, appendfsync always"),
    ):
        other = contest.median(who)
        if other is None:
            rows.append(Row("hits", label + piped, None, remark=contest.absent[who]))
            continue
        rows.append(Row("hits", label + piped, other, "a second"))
        aim = "the goal is 0.5" if who == "responder" else ""
        share = f"the node, as a share of {label}{piped}"
        rows.append(Row("hits", share, node / other, remark=aim))
    return rows


async def _run(place: Path, rounds: int, seconds: float, contests: dict[int, Contest]) -> None:
    plan = Plan(place / "nodes", nodes=1, http_base=0, peer_base=0)
    async with open_cluster(plan, print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").http_port
        async with AsyncExitStack() as held:
            bare = held.enter_context(_responder())
            absent, theirs = lacking(redis.SERVER, redis.BENCHMARK), 0
            if not absent:
                opened = redis.open_redis(place / "redis", "always")
                theirs, _ = await held.enter_async_context(opened)
            for depth, contest in contests.items():
                script = write_script(place, depth)
                contenders: dict[str, Contender] = {
                    "node": partial(_hit, port, script, seconds),
                    "responder": partial(_hit, bare, script, seconds),
                }
                contest.absent["redis"] = absent
                if theirs:
                    load = redis.Load(clients=CONNECTIONS, keys=1, pipeline=depth)
                    asked = REDIS_REQUESTS * depth
                    contenders["redis"] = partial(redis.run_benchmark, theirs, load, asked)
                await play(contest, contenders, rounds)
        answer = await Client("127.0.0.1", port).request("GET", "/v1/counters/x")
        assert answer.json()["value"] > 0, answer


async def _hit(port: int, script: Path, seconds: float) -> float:
    return await trio.to_thread.run_sync(run_wrk, port, script, seconds)


def write_script(place: Path, depth: int = 1) -> Path:
    """Write what makes wrk send so many POST at a time; return its path."""
    script = place / f"post-{depth}.lua"
    script.write_text('wrk.method = "POST"\n' if depth == 1 else PIPELINED % depth)
    return script


def run_wrk(port: int, script: Path, seconds: float, target: str = "/v1/counters/x") -> float:
    """Hit a node with all connections; return the requests a second. Blocks."""
    url = f"http://127.0.0.1:{port}{target}"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script), url]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    ).stdout
    rate, bad = RATE.search(told), BAD.search(told)
    if rate is None or float(rate[1]) == 0 or bad is not None:
        raise RuntimeError(f"wrk says:\n{told}")
    return float(rate[1])


@contextmanager
def _responder() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.responder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.communicate()
