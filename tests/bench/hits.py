"""Row `hits`: `POST /v1/counters/x` from 64 connections, one request at a time on each.

Theory. Absolute figures belong to the machine, ratios travel: the node is compared with the bare
responder, which tells what HTTP on Trio costs anyway, and with Redis appending and syncing every
group of commands, which tells what a disk and C make of the same promise. All run in turn, a few
rounds each; the medians are compared. Each node's process has the machine to itself and its load.
"""

from __future__ import annotations

import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from tests.bench.rows import Row
from tests.cluster.client import Client
from tests.cluster.processes import Plan, open_cluster

CONNECTIONS = 64
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
BAD = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
REDIS_RATE = re.compile(r'"([\d.]+)"')
# A tool that takes longer hangs.
PATIENCE_S = 60.0
# Of one redis-benchmark: some 2 s of a slow disk's work.
REDIS_REQUESTS = 60_000


@attrs.frozen
class Contest:
    """Rates by contender, and why some did not take part."""

    seconds: float
    rates: dict[str, list[float]] = attrs.Factory(dict)
    absent: dict[str, str] = attrs.Factory(dict)

    def note(self, who: str, rate: float) -> None:
        """Take the rate of a round."""
        self.rates.setdefault(who, []).append(rate)

    def median(self, who: str) -> float | None:
        """Return the median rate, None if it did not take part."""
        return statistics.median(self.rates[who]) if who in self.rates else None


def measure(*, quick: bool) -> list[Row]:
    """Return the rates and ratios."""
    contest = Contest(2.0 if quick else 4.0)
    what = f"POST /v1/counters/x, {CONNECTIONS} connections, durability commit"
    if shutil.which("wrk") is None:
        return [Row("hits", what, None, remark="wrk is not installed")]
    with tempfile.TemporaryDirectory() as place:
        trio.run(_run, Path(place), 1 if quick else 3, contest)
    node = contest.median("node")
    assert node is not None
    rows = [Row("hits", what, node, "a second")]
    for who, label in (
        ("responder", "a bare httptools responder"),
        ("redis", "redis INCR, appendfsync always"),
    ):
        other = contest.median(who)
        if other is None:
            rows.append(Row("hits", label, None, remark=contest.absent[who]))
            continue
        rows.append(Row("hits", label, other, "a second"))
        aim = "the goal of a later step is 0.5" if who == "responder" else ""
        rows.append(Row("hits", f"the node, as a share of {label}", node / other, remark=aim))
    return rows


async def _run(place: Path, rounds: int, contest: Contest) -> None:
    script = write_script(place)
    plan = Plan(place / "nodes", nodes=1, http_base=0, peer_base=0)
    async with open_cluster(plan, print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        port = cluster.find("n1").http_port
        with _responder() as bare, _redis(place, contest) as redis:
            contenders: dict[str, Callable[[], float]] = {
                "node": lambda: run_wrk(port, script, contest.seconds),
                "responder": lambda: run_wrk(bare, script, contest.seconds),
            }
            if redis:
                contenders["redis"] = lambda: _redis_benchmark(redis)
            for _ in range(rounds):
                for who, rate in contenders.items():
                    contest.note(who, await trio.to_thread.run_sync(rate))
        answer = await Client("127.0.0.1", port).request("GET", "/v1/counters/x")
        assert answer.json()["value"] > 0, answer


def write_script(place: Path) -> Path:
    """Write what makes wrk send POST; return its path."""
    script = place / "post.lua"
    script.write_text('wrk.method = "POST"\n')
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


@contextmanager
def _redis(place: Path, contest: Contest) -> Iterator[int]:
    """Run a Redis that syncs always, and yield its port, 0 if there is none."""
    if shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None:
        contest.absent["redis"] = "redis-server and redis-benchmark are not installed"
        yield 0
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    options = {"port": port, "bind": "127.0.0.1", "save": "", "dir": place}
    options |= {"appendonly": "yes", "appendfsync": "always"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = ["redis-server", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not any("Ready to accept" in line for line in process.stdout):
                raise RuntimeError("redis-server ended by itself")
            yield port
        finally:
            process.terminate()


def _redis_benchmark(port: int) -> float:
    command = ["redis-benchmark", "-p", str(port), "-c", str(CONNECTIONS), "-n"]
    command += [str(REDIS_REQUESTS), "--csv", "-t", "incr"]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    ).stdout
    # "INCR","49019.61", …: the first number in quotes
    rate = REDIS_RATE.search(told.splitlines()[-1])
    if rate is None:
        raise RuntimeError(f"redis-benchmark says:\n{told}")
    return float(rate[1])
