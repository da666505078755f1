"""What live stories are told with: real daemons, and what they say themselves of each other.

Theory. Real time passes by itself, so a story waits for what nodes show, never for a while, but
where the story is about how long something lasts; the bounds are only there to end a failed run.
What must not happen is read from the events that each node kept, so that nothing is missed between
two looks.

This module refuses to know stories.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from gcounterd.sim.checkers import check
from tests.cluster.client import Client, NotSent, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.cluster.replay import agree

# Who hears nobody doubts itself, and takes the longest suspicions one after the other.
PATIENCE_S = 120
POLL_S = 0.1
# All that a node gives at once; no story makes one see so many.
EVENTS_MAX = 256


@attrs.frozen
class LiveScenario:
    """One story for real processes: `play` is given a cluster of `nodes` that are not started."""

    name: str
    says: str
    nodes: int
    play: Callable[[Cluster], Awaitable[None]]


@asynccontextmanager
async def processes(directory: Path, nodes: int) -> AsyncIterator[Cluster]:
    """Make a cluster on free ports, nothing started yet; all ends with the block."""
    async with open_cluster(Plan(directory, nodes, 0, 0)) as cluster:
        yield cluster


async def form(cluster: Cluster) -> None:
    """Start all nodes and wait until they see each other."""
    await cluster.start_all()
    await cluster.ready()
    await until_seen(cluster, "alive", cluster.nodes, by=cluster.nodes)


async def get(cluster: Cluster, name: str, target: str) -> Any:
    """Return the JSON that one node answers with."""
    answer = await cluster.ask(name, "GET", target)
    assert answer.status == 200, answer
    return answer.json()


async def has_counted(cluster: Cluster, name: str, event: str) -> bool:
    """Say whether one node has counted such an event in its metrics, under whatever family."""
    try:
        lines = (await cluster.ask(name, "GET", "/metrics")).body.decode().splitlines()
    except NotSent:  # it has only just been started
        return False
    return any(f'"{event}"' in line for line in lines)


async def members(cluster: Cluster, by: str) -> dict[str, dict[str, Any]]:
    """Return what one node shows of each, by name."""
    shown = (await get(cluster, by, "/v1/cluster"))["nodes"]
    return {node["name"]: node for node in shown}


async def until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; complain with `what` if it never does."""
    with trio.move_on_after(PATIENCE_S):
        while not await holds():
            await trio.sleep(POLL_S)
        return
    check(False, "patience", f"not in {PATIENCE_S} s: {what}")


async def until_seen(
    cluster: Cluster, liveness: str, whom: Iterable[str], *, by: Iterable[str]
) -> None:
    """Wait until each of these nodes shows each of those so, itself aside."""
    wanted = list(whom)
    for name in by:

        async def shown(name: str = name) -> bool:
            seen = {other: m["liveness"] for other, m in (await members(cluster, name)).items()}
            return all(seen.get(other) == liveness for other in wanted if other != name)

        await until(f"{name} shows {', '.join(wanted)} as {liveness}", shown)


async def happened(cluster: Cluster, by: str, *names: str) -> list[dict[str, Any]]:
    """Return the events of these names that one node kept, oldest first."""
    events = (await get(cluster, by, f"/v1/events?limit={EVENTS_MAX}"))["events"]
    return [event for event in events if event["event"] in names]


async def deaths(cluster: Cluster, by: Iterable[str]) -> list[str]:
    """Return whom these nodes have declared dead since they started."""
    found = [event["member"] for name in by for event in await happened(cluster, name, "dead")]
    return sorted(dict.fromkeys(found))


async def check_deaths(cluster: Cluster, wanted: Iterable[str], *, by: Iterable[str]) -> None:
    """Check that these nodes declared those dead, and nobody else."""
    found = await deaths(cluster, by)
    check(found == sorted(wanted), "deaths", f"{found} were declared dead")


async def count(cluster: Cluster, *names: str) -> None:
    """Count one hit at each of these nodes."""
    for name in names:
        client = Client.at(cluster.find(name).url)
        try:
            answer = await client.request("POST", counter_target("hits"))
        finally:
            client.drop()
        assert answer.status == 200, answer


async def check_hits(cluster: Cluster, hits: int, names: Iterable[str]) -> None:
    """Wait until these nodes agree; check that they show so many hits."""
    seen = await agree({name: cluster.find(name).url for name in names})
    for name, counters in seen.items():
        check(counters == {"hits": hits}, "hits", f"{name} shows {counters}, not {hits}")
