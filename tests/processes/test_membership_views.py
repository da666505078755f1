"""What operators are shown of a cluster whose members are killed, stopped and started again.

With real daemons and the real tool. Every wait is for what a node says; nothing depends on how long
it takes to say it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.cluster.client import Client
from tests.cluster.processes import Cluster, Plan, open_cluster

pytestmark = pytest.mark.slow

TOOL = (sys.executable, "-c", "from gcounterd.cli.gcounterctl import main; main()")
# Ends a run that hangs.
PATIENCE_S = 60
POLL_S = 0.05
CHUNK_BYTES = 65_536

Event = dict[str, Any]


@attrs.define(eq=False)
class Watch:
    """A running `gcounterctl watch --events --json`, and what it has printed and said so far."""

    process: trio.Process
    events: list[Event] = attrs.Factory(list)
    said: str = ""
    _news: trio.Event = attrs.Factory(trio.Event)

    async def read(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        async for chunk in self.process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            self.events += [json.loads(line) for line in lines]
            self._tell()

    async def listen(self) -> None:
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.said += chunk.decode()
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def until(self, seen: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE_S):
            while not seen():
                await self._news.wait()

    async def until_event(self, name: str, member: str, after: int = 0) -> Event:
        """Wait for an event later in the output than `after` others, and return it."""

        def found() -> list[Event]:
            return [
                event
                for event in self.events[after:]
                if (event["event"], event.get("member")) == (name, member)
            ]

        await self.until(lambda: bool(found()))
        return found()[0]


@asynccontextmanager
async def watching(cluster: Cluster, name: str) -> AsyncIterator[Watch]:
    """Watch a node's events for the length of the block; Ctrl-C then has to end the tool well."""
    address = cluster.find(name).url
    process = await trio.lowlevel.open_process(
        [*TOOL, "--address", address, "--json", "watch", "--events", "--interval", "0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    watch = Watch(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.read)
            nursery.start_soon(watch.listen)
            yield watch
            process.send_signal(2)
            assert await process.wait() == 0
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


@asynccontextmanager
async def running(directory: Path, nodes: int) -> AsyncIterator[Cluster]:
    async with open_cluster(Plan(directory, nodes, 0, 0)) as cluster:
        await cluster.start_all()
        await cluster.ready()
        yield cluster


async def tool(cluster: Cluster, name: str, *words: str) -> tuple[int, str]:
    """Run `gcounterctl` against a node; return its exit status and what it printed."""
    command = [*TOOL, "--address", cluster.find(name).url, *words]
    done = await trio.run_process(command, capture_stdout=True, check=False)
    return done.returncode, done.stdout.decode()


async def seen(cluster: Cluster, asked: str, member: str) -> Event:
    """Return how a node sees a member, from `/v1/cluster`."""
    client = Client.at(cluster.find(asked).url)
    try:
        nodes: Sequence[Event] = (await client.request("GET", "/v1/cluster")).json()["nodes"]
    finally:
        client.drop()
    return next(node for node in nodes if node["name"] == member)


async def until_seen(cluster: Cluster, asked: str, member: str, liveness: str) -> Event:
    with trio.fail_after(PATIENCE_S):
        while (node := await seen(cluster, asked, member))["liveness"] != liveness:
            await trio.sleep(POLL_S)
    return node


async def until_page_says(cluster: Cluster, asked: str, *words: str) -> None:
    """Wait until a node's dashboard, as it is without scripts, says all of this."""
    with trio.fail_after(PATIENCE_S):
        while True:
            page = (await cluster.ask(asked, "GET", "/")).body.decode()
            if all(each in page for each in words):
                return
            await trio.sleep(POLL_S)


async def test_a_killed_member_is_shown_with_who_says_so_until_it_is_back(tmp_path: Path) -> None:
    async with running(tmp_path, 3) as cluster, watching(cluster, "n1") as watch:
        await cluster.kill("n3")
        suspect = await watch.until_event("suspect", "n3")
        dead = await watch.until_event("dead", "n3")
        assert suspect["number"] < dead["number"]
        assert dead["by"] in ("n1", "n2")
        node = await until_seen(cluster, "n1", "n3", "dead")
        # The host is there and the port refuses: that is what a killed process looks like.
        assert "refused" in [accusation["why"] for accusation in node["accusations"]]
        assert {accusation["by"] for accusation in node["accusations"]} <= {"n1", "n2"}
        _, shown = await tool(cluster, "n1", "members")
        assert "n3 has been dead for " in shown
        assert " ago: refused (" in shown
        assert "the node asked, n1, has local health " in shown
        await until_page_says(
            cluster, "n1", "n3 not heard for ", "its counts are unknown since", "2 alive, 1 dead"
        )

        await cluster.start("n3")
        await watch.until_event("back", "n3", after=watch.events.index(dead))
        node = await until_seen(cluster, "n1", "n3", "alive")
        assert node["accusations"] == []
        await cluster.ask("n3", "POST", "/v1/counters/views")
        await until_page_says(cluster, "n1", "All 3 nodes are equal.", ">views<")


async def test_a_member_that_was_told_to_stop_is_not_suspected(tmp_path: Path) -> None:
    async with running(tmp_path, 3) as cluster, watching(cluster, "n1") as watch:
        assert await cluster.stop("n3") == {"n3": 0}
        left = await watch.until_event("left", "n3")
        assert (await seen(cluster, "n1", "n3"))["liveness"] == "left"
        await cluster.start("n3")
        await watch.until_event("back", "n3", after=watch.events.index(left))
        await until_seen(cluster, "n1", "n3", "alive")
        about = [event["event"] for event in watch.events if event.get("member") == "n3"]
        assert not {"suspect", "dead"} & {*about}


async def test_a_watch_goes_on_over_a_restart_of_the_node_that_it_watches(tmp_path: Path) -> None:
    async with running(tmp_path, 2) as cluster, watching(cluster, "n1") as watch:
        await watch.until_event("joined", "n2")
        first = len(watch.events)
        await cluster.kill("n1")
        await watch.until(lambda: "trying again" in watch.said)
        await cluster.start("n1")
        await cluster.ready(["n1"])
        await watch.until(lambda: "n1 was started anew" in watch.said)
        await cluster.stop("n2")
        left = await watch.until_event("left", "n2", after=first)
        lives = list(dict.fromkeys(event["life"] for event in watch.events))
        assert lives.index(left["life"]) == 1
        for life in lives:
            numbers = [event["number"] for event in watch.events if event["life"] == life]
            assert numbers == list(range(1, len(numbers) + 1))


async def test_a_lone_survivor_says_that_it_is_alone(tmp_path: Path) -> None:
    async with running(tmp_path, 2) as cluster, watching(cluster, "n1") as watch:
        await cluster.kill("n2")
        await watch.until(lambda: any(event["event"] == "alone" for event in watch.events))
        status, shown = await tool(cluster, "n1", "health")
        # It goes on counting, so it is ready; that it is alone is for people to see.
        assert (status, shown.splitlines()[0]) == (0, "ready")
        assert "warning: alone: no other member answers this node" in shown
        _, shown = await tool(cluster, "n1", "members")
        assert "it is alone: no other member answers it" in shown
        await cluster.start("n2")
        await watch.until(lambda: any(event["event"] == "company" for event in watch.events))
        _, shown = await tool(cluster, "n1", "health")
        assert "alone" not in shown
