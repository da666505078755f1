"""Rows `restart` and `lives`: what a restart costs the others, and what a thousand leave behind.

Theory. A process that starts closes the columns of its node's earlier lives and says so, and peers
close them too: nothing is asked, nothing waits. So the first row is the time from the node's being
ready until no peer has its old column among the open ones any more. And nothing of a life may stay
that costs by the life: after a thousand of them memory, the digest that opens a link and what an
idle cluster says are to be as after one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import attrs
import click
import trio

from tests.bench import nodes
from tests.bench.filling import count_many, until_shown
from tests.bench.machine import describe
from tests.bench.passing import DIGEST, Passing
from tests.bench.rows import Row, tabulate
from tests.cluster.client import Client, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster

NODES = 3
RESTARTED, PEERS = "n3", ("n1", "n2")
COUNTERS, COUNTERS_QUICK = 1_000_000, 100_000
LIVES = 1000
# Until peers have told each other of a restart; hashes of all there is are compared each 30 s.
SETTLE_S = 35.0
# Two periods of the hash that is compared in the background.
IDLE_S = 60.0
# What may be more after many lives than after one: noise of an allocator, an epoch's digits.
MORE_MAX = 1.1
MB = 1_000_000


def measure(*, quick: bool) -> list[Row]:
    """Return the row of closing on restart."""
    counters = COUNTERS_QUICK if quick else COUNTERS
    with tempfile.TemporaryDirectory() as place:
        ready, closed = trio.run(_restart_once, Path(place), counters)
    what = f"a node of {counters:,} counters killed and started: all peers have closed its column"
    remark = f"after ready, which took {ready:.2f} s"
    return [Row("restart", what, max(0.0, closed - ready), "s", at_most=1, remark=remark)]


async def _restart_once(place: Path, counters: int) -> tuple[float, float]:
    """Return the seconds from a start to ready, and to closed everywhere."""
    async with open_cluster(Plan(place, NODES, 0, 0), print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        await count_many(cluster, RESTARTED, counters)
        await until_shown(cluster, counters, 1)
        await cluster.kill(RESTARTED)
        began = trio.current_time()
        closed: list[float] = []
        async with trio.open_nursery() as nursery:
            for peer in PEERS:
                nursery.start_soon(_until_closed, cluster, peer, closed)
            ready = await nodes.start_and_time(cluster, RESTARTED)
        return ready, max(closed) - began


async def _until_closed(cluster: Cluster, peer: str, closed: list[float]) -> None:
    """Add the time at which a node has no open column; only the restarted one ever had any."""
    client = Client("127.0.0.1", cluster.find(peer).http_port)
    with trio.fail_after(nodes.PATIENCE_S):
        while (await nodes.read_figures(client))["columns"] > 0:
            await trio.sleep(nodes.POLL_S)
    closed.append(trio.current_time())
    client.drop()


@attrs.frozen
class State:
    """What lives have left: at a peer, at the node itself, between them."""

    peer_bytes: int
    own_bytes: int
    columns: float
    digest_bytes: int
    idle_bytes: float
    restart_bytes: int


async def live(place: Path, lives: int, idle_s: float) -> tuple[State, State]:
    """Restart a node so often; return the state after the first and after the last."""
    passing = Passing()
    async with open_cluster(Plan(place, NODES, 0, 0, tap=passing), print) as cluster:
        await cluster.start_all()
        await cluster.ready()
        first = await _look(cluster, passing, 1, idle_s)
        for life in range(2, lives):
            await _live_once(cluster, life)
        return first, await _look(cluster, passing, lives, idle_s)


async def _live_once(cluster: Cluster, life: int) -> None:
    """Kill the node, start it, count once at it, and wait until the others have that."""
    await cluster.kill(RESTARTED)
    await nodes.start_and_time(cluster, RESTARTED)
    target = counter_target("lives")
    client = Client("127.0.0.1", cluster.find(RESTARTED).http_port)
    answer = await client.request("POST", target)
    client.drop()
    assert answer.json()["value"] == life, answer
    for peer in PEERS:
        client = Client("127.0.0.1", cluster.find(peer).http_port)
        with trio.fail_after(nodes.PATIENCE_S):
            while (await client.request("GET", target)).json()["value"] < life:
                await trio.sleep(nodes.POLL_S)
        client.drop()


async def _look(cluster: Cluster, passing: Passing, life: int, idle_s: float) -> State:
    """Live once more, and look at what that leaves."""
    passing.longest.clear()
    before = passing.bytes.total()
    await _live_once(cluster, life)
    await trio.sleep(SETTLE_S)
    settled = passing.bytes.total()
    await trio.sleep(idle_s)
    idle = passing.bytes.total() - settled
    client = Client("127.0.0.1", cluster.find(PEERS[0]).http_port)
    figures = await nodes.read_figures(client)
    client.drop()
    return State(
        nodes.resident_bytes(cluster.find(PEERS[0])),
        nodes.resident_bytes(cluster.find(RESTARTED)),
        figures["columns"],
        passing.longest[DIGEST],
        idle / idle_s,
        settled - before,
    )


def compare(first: State, last: State, lives: int) -> list[Row]:
    """Return the rows of many lives, each as a share of the same after one."""
    what = f"after {lives:,} restarts, as a share of after one"
    return [
        _share(f"memory of a peer {what}", first.peer_bytes / MB, last.peer_bytes / MB, "MB"),
        _share(
            f"memory of the node itself {what}", first.own_bytes / MB, last.own_bytes / MB, "MB"
        ),
        _share(f"open columns {what}", first.columns, last.columns, ""),
        _share(f"longest digest {what}", first.digest_bytes, last.digest_bytes, "bytes"),
        _share(f"idle traffic {what}", first.idle_bytes, last.idle_bytes, "B/s"),
        Row(
            "lives",
            f"the first restart and {SETTLE_S:g} s on the wire",
            first.restart_bytes,
            "bytes",
        ),
        Row(
            "lives", f"the last restart and {SETTLE_S:g} s on the wire", last.restart_bytes, "bytes"
        ),
    ]


def _share(what: str, first: float, last: float, unit: str) -> Row:
    remark = f"{first:,.4g} and {last:,.4g} {unit}".rstrip()
    return Row("lives", what, last / first, "", at_most=MORE_MAX, remark=remark)


@click.command()
@click.option("--restarts", default=LIVES, show_default=True)
@click.option("--idle", default=IDLE_S, show_default=True, help="Seconds of watching each time.")
def lives(restarts: int, idle: float) -> None:
    """Restart one of three nodes again and again, and compare what that leaves with one restart."""
    for name, value in describe().items():
        click.echo(f"{name}: {value}")
    with tempfile.TemporaryDirectory() as place:
        first, last = trio.run(live, Path(place), restarts, idle)
    click.echo(tabulate(compare(first, last, restarts)))
