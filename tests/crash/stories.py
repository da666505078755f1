"""Stories: what a recorded cluster lives through, told by a client that keeps marks of it.

    short     one node counts, keyed and not, in bursts; a checkpoint, a backup, a kill
    long      the same with more of everything, an import, and starts after a stop and after a kill
    cluster   two nodes, one cut off, killed, late with its counts, removed, and forgotten

Theory. A mark before each request and one after its answer; an answer's mark may come a little
late, which only makes the promise weaker there, never wrong. Requests run at the same time where
group commits are wanted. A story refuses to know files.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from tests.cluster.client import Client, Lost, NotSent, counter_target
from tests.cluster.processes import Cluster, Plan, open_cluster
from tests.crash.promises import KEYED, TWINS
from tests.crash.recording import Marker

POLL_S = 0.05
PATIENCE_S = 60.0
BURST = 8
BACKUPS = "backups"
# Whose files are not the daemon's.
FOREIGN = ("log", "pid", "admin.sock")


@attrs.define(eq=False)
class Teller:
    """A client of a recorded cluster that keeps marks."""

    cluster: Cluster
    marker: Marker
    root: Path

    # -- what is asked -----------------------------------------------------------------------

    async def ask(
        self,
        node: str,
        method: str,
        target: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, object] | None:
        """Send a request and return its answer; None if it was refused or lost."""
        client = Client.at(self.cluster.find(node).url)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        try:
            answer = await client.request(method, target, data, headers=headers)
            return answer.json() if answer.status in (200, 202) else None
        except (Lost, NotSent):
            return None
        finally:
            client.drop()

    async def count(self, node: str, key: str, amount: int = 1, query: str = "") -> bool:
        """Count one key; return whether it was acknowledged."""
        self.marker.mark("try", counts={key: amount})
        target = counter_target(key) + query
        answer = await self.ask(node, "POST", target, {"by": amount})
        if answer:
            self.marker.mark("seen", node=node, values={key: answer["value"]})
        return answer is not None

    async def count_many(self, node: str, counts: Mapping[str, int], query: str = "") -> None:
        """Count several keys in one commit."""
        self.marker.mark("try", counts=counts)
        answer = await self.ask(node, "POST", f"/v1/counters{query}", {"counts": counts})
        if answer:
            self.marker.mark("seen", node=node, values=answer["values"])

    async def count_twins(self, node: str, query: str = "") -> None:
        """Count the two keys that nobody counts alone."""
        await self.count_many(node, dict.fromkeys(TWINS, 1), query)

    async def count_keyed(self, node: str, name: str) -> None:
        """Count by a request that carries a key."""
        self.marker.mark("try", counts={KEYED: 1})
        headers = {"Idempotency-Key": name}
        answer = await self.ask(node, "POST", counter_target(KEYED), {"by": 1}, headers)
        if answer:
            self.marker.mark("receipt", node=node, key=name)
            self.marker.mark("seen", node=node, values={KEYED: answer["value"]})

    async def burst(self, node: str, rounds: int = 4) -> None:
        """Count from several clients at once, so that commits carry many."""

        async def one(number: int) -> None:
            for turn in range(rounds):
                await self.count(node, f"burst-{number}")
                await self.count_twins(node)
                await self.count(node, f"key-{number}", 1 + turn)

        async with trio.open_nursery() as nursery:
            for number in range(BURST):
                nursery.start_soon(one, number)

    async def fill(self, node: str, first: int, number: int) -> None:
        """Count so many names in one commit that it takes several rows."""
        await self.count_many(node, {f"many-{first + n:05}": 1 + n for n in range(number)})

    async def bring(self, node: str, source: str, counts: Mapping[str, int]) -> None:
        """Import counts."""
        self.marker.mark("try", counts=counts)
        lines = "".join(json.dumps({"key": k, "value": n}) + "\n" for k, n in counts.items())
        target = f"/v1/imports?source={source}"
        answer = await self.ask(
            node, "POST", target, lines.encode(), {"Content-Type": "application/x-ndjson"}
        )
        assert answer is not None, "the import was refused"
        self.marker.mark("seen", node=node, values=counts)

    async def back_up(self, node: str, name: str) -> None:
        """Write a backup; all that was seen before must be in it."""
        values = await self.values(node)
        path = self.root / BACKUPS / name
        assert await self.ask(node, "POST", "/v1/admin/backup", {"path": str(path)})
        self.marker.mark("backup", node=node, path=f"{BACKUPS}/{name}", values=values)

    async def values(self, node: str) -> dict[str, int]:
        """Return the first counters that a node shows; it has shown them then."""
        answer = await self.ask(node, "GET", "/v1/counters?prefix=&limit=500")
        assert answer is not None
        values = {one["key"]: one["value"] for one in answer["counters"]}  # type: ignore[attr-defined]
        self.marker.mark("seen", node=node, values=values)
        return values

    # -- processes ---------------------------------------------------------------------------

    async def start(self, *names: str) -> None:
        """Start nodes, wait until they are ready, and mark who they are."""
        for name in names:
            await self.cluster.start(name)
        await self.cluster.ready(names)
        for name in names:
            answer = await self.ask(name, "GET", "/v1/cluster")
            assert answer is not None
            (own,) = [m for m in answer["nodes"] if m["name"] == name]  # type: ignore[attr-defined]
            self.marker.mark("identity", node=name, id=own["id"])

    async def restart(self, name: str, *, kill: bool) -> None:
        """End a process in one way or the other, and start it again."""
        await (self.cluster.kill(name) if kill else self.cluster.stop(name))
        await self.start(name)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something holds."""
        with trio.fail_after(PATIENCE_S):
            while not await holds():
                await trio.sleep(POLL_S)


async def tell_short(teller: Teller) -> None:
    """One node: counting, receipts, a checkpoint, a backup, a kill, a start."""
    await teller.start("n1")
    teller.marker.mark("caught up", node="n1")
    for number in range(6):
        await teller.count("n1", "plain")
        await teller.count_keyed("n1", f"request-{number}")
    await teller.fill("n1", 0, 40)
    await teller.burst("n1", 2)
    await teller.back_up("n1", "one")
    await teller.restart("n1", kill=True)
    await teller.count("n1", "plain")


async def tell_long(teller: Teller) -> None:
    """One node: all that it can live through alone."""
    await tell_short(teller)
    for turn in range(6):
        await teller.bring("n1", f"old-{turn}", {"plain": 40, f"brought-{turn}": 7})
        for number in range(8):
            await teller.count_keyed("n1", f"again-{turn}-{number}")
            await teller.count("n1", "plain", 3)
        await teller.burst("n1", 3)
        await teller.fill("n1", 20 * turn, 40)
        await teller.back_up("n1", f"copy-{turn}")
        await teller.burst("n1", 1)
        await teller.restart("n1", kill=turn % 2 == 0)
        await teller.count_twins("n1")
        await teller.count_keyed("n1", f"last-{turn}")


async def tell_cluster(teller: Teller) -> None:
    """Two nodes: late counts, closed and cold columns, a removal, and what is forgotten."""
    everyone = "?ack=all"
    await teller.start("n1", "n2")
    for turn in range(3):
        for node in ("n1", "n2"):
            await teller.burst(node, 1)
            await teller.fill(node, 15 * turn, 40)
            await teller.count_twins(node, everyone)
        teller.cluster.cut("n1", "n2")
        await teller.burst("n2", 1)
        await teller.burst("n1", 1)
        await teller.cluster.kill("n2")
        teller.cluster.heal()  # before it starts: what has not caught up yet asks the others
        await teller.start("n2")
        await teller.count("n2", "late", 5, everyone)
        await teller.values("n1")
        await teller.restart("n1", kill=turn % 2 == 1)
    await _remove(teller, "n2")
    await teller.burst("n1", 2)
    await teller.fill("n1", 90, 40)
    await teller.ask("n1", "POST", "/v1/cluster/nodes/n2/forget")
    await teller.restart("n1", kill=False)
    await teller.fill("n1", 120, 40)
    await teller.burst("n1", 1)


async def _remove(teller: Teller, name: str) -> None:
    target = f"/v1/cluster/nodes/{name}?into=n1"

    async def asked() -> bool:  # refused until each has heard of the other
        return await teller.ask("n1", "DELETE", target) is not None

    async def removed() -> bool:
        answer = await teller.ask("n1", "GET", "/v1/cluster")
        members = answer["nodes"] if answer else []
        return any(m["name"] == name and m["roster"] == "removed" for m in members)  # type: ignore[attr-defined]

    await teller.until(asked)
    await teller.until(removed)
    teller.marker.mark("removed", node="n1", name=name)
    await teller.values("n1")


@attrs.frozen
class Story:
    """What is told, and of how many nodes."""

    tell: Callable[[Teller], Awaitable[None]]
    nodes: int

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its nodes."""
        return tuple(f"n{number + 1}" for number in range(self.nodes))

    def folders(self) -> tuple[str, ...]:
        """Return the directories that are there before it begins."""
        return (BACKUPS, *self.names)


STORIES = {
    "short": Story(tell_short, 1),
    "long": Story(tell_long, 1),
    "cluster": Story(tell_cluster, 2),
}


def play(story: Story, root: Path, log: Path, program: tuple[str, ...]) -> None:
    """Play a story in a new directory, with a program that is recorded."""
    for folder in story.folders():
        (root / folder).mkdir(parents=True)
    trio.run(partial(_play, story, root, log, program))


async def _play(story: Story, root: Path, log: Path, program: tuple[str, ...]) -> None:
    async with _telling(root, log, Plan(root, story.nodes, 0, 0, program=program)) as teller:
        await story.tell(teller)


@asynccontextmanager
async def _telling(root: Path, log: Path, plan: Plan) -> AsyncIterator[Teller]:
    marker = Marker(log)
    try:
        async with open_cluster(plan) as cluster:
            yield Teller(cluster, marker, root)
    finally:
        marker.close()
