"""The hand: does to the cluster what the schedule says, and mends what it broke.

Theory. A step is done to whatever is there: a process that was to be killed may have ended by
itself because its removal was quick. So a step that comes too late is noted and left out, and it is
mending that brings the cluster to where the schedule believes it: everything that can run runs, and
then whoever was to be removed must have ended as removed nodes do, and everybody else be a member.

This module refuses to know numbers.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from tests.chaos.account import Watcher
from tests.chaos.errands import Operator
from tests.chaos.schedule import Role, Schedule, Step
from tests.chaos.story import Story
from tests.cluster.client import Client, Lost, NotSent, why_not_ready
from tests.cluster.processes import REMOVED, Cluster, Node

# To look at a member before each fault; who does not answer so soon tells nothing.
LOOK_WAIT_S = 0.3
POLL_S = 0.1
# For everything to come to rest once it is whole; on two busy cores a start alone takes seconds.
MEND_WAIT_S = 120.0
# A start that was refused, as while a dead name is still suspected, is tried again.
RESTART_S = 1.0


class Hand:
    """Carries out steps; `operator` runs the removals."""

    def __init__(
        self,
        cluster: Cluster,
        schedule: Schedule,
        account: Watcher,
        operator: Operator,
        story: Story,
    ) -> None:
        self._cluster = cluster
        self._schedule = schedule
        self._account = account
        self._operator = operator
        self._story = story
        self._tails: dict[str, str] = {}  # the end of each log when its process was started
        self._verbs: dict[str, Callable[[Step], Awaitable[None]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "start": self._start,
            "return": self._start,
            "pause": self._pause,
            "resume": self._resume,
            "cut": self._cut,
            "block": self._block,
            "isolate": self._isolate,
            "split": self._split,
            "heal": self._heal,
            "add": self._add,
            "remove": self._remove,
            "bury": self._bury,
            "renew": self._renew,
            "replace": self._replace,
        }

    async def do(self, step: Step) -> None:
        """Do one step, and note what it met."""
        met = await self._met()
        self._story.say(f"{step}   [{', '.join(met)}]")
        self._story.fault(step.verb, met)
        await self._verbs[step.verb](step)

    # -- steps ----------------------------------------------------------------------------------

    def _node(self, step: Step) -> Node:
        return self._cluster.find(step.who[0])

    def _runs(self, node: Node) -> bool:
        if not node.running:
            self._story.say(f"    {node.name} had ended already ({node.state})")
        return node.running

    async def _kill(self, step: Step) -> None:
        if self._runs(self._node(step)):
            await self._cluster.kill(step.who[0])

    async def _stop(self, step: Step) -> None:
        node = self._node(step)
        if self._runs(node):
            awake = node.log_tail() != self._tails.get(node.name)
            status = await self._cluster.stop(node.name)
            # An interpreter that is still importing ends as any process does on TERM.
            if status != {node.name: 0} and awake:
                self._story.complain(f"{node.name} did not end well on TERM: {status}")

    async def _start(self, step: Step) -> None:
        node = self._node(step)
        if not node.running:
            # It may have been killed before it could do what its options say.
            await self._start_with(node, *node.options)

    async def _pause(self, step: Step) -> None:
        if self._runs(self._node(step)):
            self._cluster.pause(step.who[0])

    async def _resume(self, step: Step) -> None:
        if self._runs(self._node(step)):
            self._cluster.resume(step.who[0])

    async def _cut(self, step: Step) -> None:
        self._cluster.cut(*step.who)

    async def _block(self, step: Step) -> None:
        self._cluster.block(*step.who)

    async def _isolate(self, step: Step) -> None:
        for name in self._cluster.nodes:
            if name not in step.who:
                self._cluster.cut(step.who[0], name)

    async def _split(self, step: Step) -> None:
        for one in step.who:
            for other in self._cluster.nodes:
                if other not in step.who:
                    self._cluster.cut(one, other)

    async def _heal(self, _: Step) -> None:
        self._cluster.heal()

    async def _add(self, step: Step) -> None:
        node = await self._cluster.add()
        assert node.name == step.who[0]
        await self._start(step)

    async def _remove(self, step: Step) -> None:
        await self._account.doubt(step.who[0])
        self._operator.remove(*self._target(step), step.how, dead=False)

    async def _bury(self, step: Step) -> None:
        await self._account.doubt(step.who[0])
        self._operator.remove(*self._target(step), step.how, dead=True)

    def _target(self, step: Step) -> tuple[str, str | None]:
        return step.who[0], step.who[1] if len(step.who) > 1 else None

    async def _renew(self, step: Step) -> None:
        node = self._node(step)
        if node.running:
            await self._cluster.kill(node.name)
        if step.how == "wiped":
            await self._wipe(node)
            await self._start_with(node)
        else:
            await self._start_with(node, "--new-identity")

    async def _replace(self, step: Step) -> None:
        node = self._node(step)
        if node.running:
            await self._cluster.kill(node.name)
        await self._wipe(node)
        await self._start_with(node, "--take-over")

    async def _start_with(self, node: Node, *options: str) -> None:
        node.options = options
        self._tails[node.name] = node.log_tail()
        await self._cluster.start(node.name)
        await self._account.join(node.name, node.http_port)

    async def _wipe(self, node: Node) -> None:
        await self._account.wipe(node.name)
        await trio.to_thread.run_sync(shutil.rmtree, node.directory / "data")

    # -- what is going on -----------------------------------------------------------------------

    async def _met(self) -> list[str]:
        """Return what a fault would meet now; never empty."""
        roles = self._schedule.places
        nodes = list(self._cluster.nodes.values())
        members = [node for node in nodes if roles[node.name].role is Role.MEMBER]
        returning = [n for n in nodes if roles[n.name].role in (Role.REMOVED, Role.BURIED)]
        cuts = self._cluster.cuts
        found = {
            "one down": any(not node.running for node in members),
            "one paused": any(node.paused for node in nodes if node.running),
            "a cut": bool(cuts.pairs() or cuts.one_way()),
            "one returning": any(node.running for node in returning),
        }
        met = [name for name, is_so in found.items() if is_so]
        running = [node for node in members if node.state == "running"]
        async with trio.open_nursery() as nursery:
            for node in running:
                nursery.start_soon(_look, node, met)
        return list(dict.fromkeys(met)) or ["all well"]

    # -- mending --------------------------------------------------------------------------------

    async def mend(self) -> None:
        """Bring everything back, and complain of what does not come to its end in time."""
        began = trio.current_time()
        self._cluster.heal()
        for node in self._cluster.nodes.values():
            if node.running and node.paused:
                self._cluster.resume(node.name)
        await self._until("mending", self._unmended, restart=True)
        self._story.took("mending", trio.current_time() - began)
        for node in self._cluster.nodes.values():
            node.options = ()
            if self._schedule.places[node.name].role is not Role.MEMBER:
                await self._account.leave(node.name)

    async def _until(
        self, what: str, missing: Callable[[], Awaitable[list[str]]], *, restart: bool
    ) -> None:
        left: list[str] = []
        with trio.move_on_after(MEND_WAIT_S):
            while True:
                if restart:
                    await self._restart()
                left = await missing()
                if not left:
                    return
                await trio.sleep(POLL_S)
        for text in left:
            self._story.complain(f"{what}, after {MEND_WAIT_S:g} s: {text}")

    async def _restart(self) -> None:
        """Start whoever should run and does not."""
        for node in self._cluster.nodes.values():
            place = self._schedule.places[node.name]
            wanted = place.role in (Role.MEMBER, Role.LEAVING)
            if node.running or not wanted:
                continue
            if node.state == REMOVED and place.role is Role.LEAVING:
                continue
            # A disk that does not know yet that it was removed is told first, and joins then.
            if place.up and node.state == REMOVED and not node.options:
                self._story.complain(f"{node.name} ended as removed, and nobody asked for it")
            if place.up and not node.ending and not node.options:
                self._story.complain(f"{node.name} ended by itself ({node.state})")
            if node.options:
                await trio.sleep(RESTART_S)
            await self._cluster.start(node.name)

    async def _unmended(self) -> list[str]:
        """Return what is still missing."""
        left = [f"the removal of {e.target}: {e.said}" for e in self._operator.unfinished()]
        for node in self._cluster.nodes.values():
            place = self._schedule.places[node.name]
            if place.role is Role.MEMBER:
                left += await self._unready(node)
            elif node.running:
                left.append(f"{node.name} should have ended as removed, and runs")
            elif place.up and not node.ending and node.state != REMOVED:
                left.append(f"{node.name} should have ended as removed, but is {node.state}")
        return left

    async def _unready(self, node: Node) -> list[str]:
        client = Client("127.0.0.1", node.http_port)
        try:
            why = await why_not_ready(client)
            if why is not None:
                return [f"{node.name} is not ready: {why}"]
            answer = await client.request("GET", "/v1/cluster", wait_s=LOOK_WAIT_S * 10)
        except (NotSent, Lost) as error:
            return [f"{node.name}: {error}"]
        finally:
            client.drop()
        return self._unlike(node.name, answer.json())

    def _unlike(self, name: str, shown: dict[str, Any]) -> list[str]:
        """Return where a member's view is not what it must be in the end."""
        wanted = self._schedule.members()
        belong = [node["name"] for node in shown["nodes"] if node["roster"] == "active"]
        left = [f"{name} shows a removal as unfinished: {r}" for r in shown["removals"]]
        if sorted(belong) != sorted(wanted):
            left.append(f"{name} shows as active {sorted(belong)}, not {sorted(wanted)}")
        for node in shown["nodes"]:
            if node["roster"] not in ("active", "removed"):
                left.append(f"{name} shows {node['name']} as {node['roster']}")
            if node["roster"] == "active" and node["liveness"] != "alive":
                left.append(f"{name} shows {node['name']} as {node['liveness']}")
        return left


async def _look(node: Node, met: list[str]) -> None:
    """Add what a member tells of removals, and whether it is ready."""
    client = Client("127.0.0.1", node.http_port)
    try:
        answer = await client.request("GET", "/v1/cluster", wait_s=LOOK_WAIT_S)
        if answer.status != 200:
            return
        shown = answer.json()
        met += [removal["phase"] for removal in shown["removals"]]
        if not shown["ready"]:
            met.append("one not ready")
    except (NotSent, Lost):
        return
    finally:
        client.drop()
