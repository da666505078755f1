"""The nodes of a local cluster: real daemons that can be started, killed, paused and cut apart.

Theory. A cluster is its directory: `n1/`, `n2/`, … hold each node's `data/`, its `log` and the
`pid` of its process, so that what a crash of this program leaves behind can be found again. Every
node listens on a port of its own, advertises the front before it (see `proxy`), and is told the
fronts of all others; so all links pass through fronts, whoever dials.

A daemon may end without anybody's wish, and not all such ends are crashes: a removed node stops
(exit 0), and so does one that comes back after its removal (exit 5). These are told as news and
shown by name.

This module refuses to know what daemons say to each other. It asks `/readyz`, and nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.cluster.client import Answer, Client, why_not_ready
from tests.cluster.ground import Ground, PortTaken
from tests.cluster.proxy import Cuts, Tap

# Nodes of one cluster: what a laptop carries, and what keeps the port ranges apart.
NODES_MAX = 30
# A daemon starts in well under a second; a loaded machine with many of them takes longer.
READY_WAIT_S = 60.0
READY_POLL_S = 0.05
# After TERM, then it is killed: draining and a last flush take far less.
STOP_WAIT_S = 10.0
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 8192
# Exit statuses of a daemon that are no crash, and how a node is called that ended so by itself.
EXIT_DONE, EXIT_CAME_BACK = 0, 5
REMOVED, LEFT = "removed", "left"


class ClusterError(Exception):
    """What was asked of the cluster cannot be done, or a node did not do it. For people to read."""


def find_causes(error: BaseException) -> list[BaseException]:
    """Return the errors in a tree of exception groups, which nurseries make of any error."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for part in error.exceptions for cause in find_causes(part)]
    return [error]


# Started for each node, before the options: the daemon of the environment that we run in.
DAEMON = (str(Path(sys.executable).parent / "gcounterd"), "run")


@attrs.frozen
class Plan:
    """How a cluster is to be. `http_base`, `peer_base`: first port of each kind, 0 for free ones.

    resp_base  likewise; free ones if not given and those of HTTP are
    options  more options for every node
    program  what is started for each node, `DAEMON` unless a test says otherwise
    tap      is shown all that nodes say to each other
    """

    directory: Path
    nodes: int = 3
    http_base: int = 7781
    peer_base: int = 7701
    durability: str = "commit"
    options: tuple[str, ...] = ()
    program: tuple[str, ...] = attrs.field(factory=lambda: DAEMON)
    tap: Tap | None = None
    resp_base: int = attrs.field()

    @resp_base.default
    def _default_resp_base(self) -> int:
        return self.http_base and 7381


@attrs.define(eq=False)
class Node:
    """One node: where it is, and its process, if it has one. Ports are all on 127.0.0.1.

    seeds    what it is told to join at its next start: the fronts of all others, if nobody sets it
    options  more options for this node's next start; they win over the plan's
    """

    name: str
    directory: Path
    http_port: int
    peer_port: int
    front_port: int
    resp_port: int
    seeds: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    process: trio.Process | None = None
    paused: bool = False
    ending: bool = False  # we told it to end, so its end is no news

    @property
    def url(self) -> str:
        """Return where its HTTP API is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def redis_url(self) -> str:
        """Return where it speaks the Redis protocol."""
        return f"redis://127.0.0.1:{self.resp_port}"

    @property
    def front(self) -> str:
        """Return where its peers reach it."""
        return f"127.0.0.1:{self.front_port}"

    @property
    def running(self) -> bool:
        """Say whether it has a process, paused or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def state(self) -> str:
        """Say how it is: running, paused, down, left, removed, `exited` and its status, or the
        signal's name. One that ended well without our telling it to was removed.
        """
        if self.process is None:
            return "down"
        status = self.process.poll()
        if status is None:
            return "paused" if self.paused else "running"
        if status == EXIT_CAME_BACK or (status == EXIT_DONE and not self.ending):
            return REMOVED
        if status == EXIT_DONE:
            return LEFT
        return f"exited {status}" if status > 0 else signal.Signals(-status).name

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        try:
            data = (self.directory / "log").read_bytes()[-LOG_TAIL_BYTES:]
        except FileNotFoundError:
            return ""
        return "\n".join(data.decode("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:])


class Cluster:
    """The nodes of a plan, and the routes between them. Made by `open_cluster`."""

    def __init__(
        self,
        plan: Plan,
        nodes: dict[str, Node],
        ground: Ground,
        watchers: trio.Nursery,
        tell: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.nodes = nodes
        self.cuts = ground.cuts
        self._ground = ground
        self._watchers = watchers
        self._tell = tell

    async def add(self) -> Node:
        """Make one more node, not started yet, that is told to join all others.

        Raises `ClusterError` if there are `NODES_MAX` or its ports cannot be had.
        """
        index = len(self.nodes)
        if index >= NODES_MAX:
            raise ClusterError(f"a local cluster has 1 to {NODES_MAX} nodes")
        name = f"n{index + 1}"
        try:
            ports = await self._ground.take(name, index)
        except PortTaken as error:
            raise ClusterError(str(error)) from error
        node = Node(
            name=name,
            directory=self.plan.directory.absolute() / name,
            http_port=ports.http,
            peer_port=ports.peer,
            front_port=ports.front,
            resp_port=ports.resp,
            seeds=tuple(other.front for other in self.nodes.values()),
        )
        self.nodes[name] = node
        return node

    def find(self, name: str) -> Node:
        """Return the node called `name`, `n2` or just `2`; raise `ClusterError` if none is."""
        node = self.nodes.get(name) or self.nodes.get(f"n{name}")
        if node is None:
            raise ClusterError(f"no node {name!r}; there are {', '.join(self.nodes)}")
        return node

    async def start(self, name: str) -> None:
        """Start the process of a node that has none, on the data it has."""
        node = self.find(name)
        if node.running:
            raise ClusterError(f"{node.name} is already {node.state}")
        node.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (node.directory / "log").open("ab") as log:
            node.process = await trio.lowlevel.open_process(
                self._command(node),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Else the terminal's Ctrl-C would reach it too, and two would stop it at once.
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("GCOUNTERD_")},
            )
        node.paused = node.ending = False
        (node.directory / "pid").write_text(f"{node.process.pid}\n")
        self._watchers.start_soon(self._watch, node, node.process)

    async def _watch(self, node: Node, process: trio.Process) -> None:
        await process.wait()
        if not node.ending and node.state == REMOVED:
            self._tell(f"{node.name} was removed, and its process ended by itself")
        elif not node.ending:
            self._tell(f"{node.name} ended by itself ({node.state}):\n{node.log_tail()}")

    def _command(self, node: Node) -> list[str]:
        plan = self.plan
        command = [*plan.program, "--name", node.name, "--cluster", "demo"]
        command += ["--data-dir", str(node.directory / "data")]
        command += ["--peer", f"127.0.0.1:{node.peer_port}"]
        command += ["--advertise", node.front]
        command += ["--http", f"127.0.0.1:{node.http_port}", "--durability", plan.durability]
        for other in self.nodes.values():
            if other is not node:
                command += ["--http-of", f"{other.name}={other.url}"]
        command += ["--resp", f"127.0.0.1:{node.resp_port}"]
        for seed in node.seeds:
            command += ["--join", seed]
        return command + list(plan.options + node.options)

    async def start_all(self) -> None:
        """Start every node that is not running."""
        for node in self.nodes.values():
            if not node.running:
                await self.start(node.name)

    async def kill(self, name: str) -> None:
        """Kill a process (SIGKILL) and wait until it is gone."""
        node = self._alive(name)
        assert node.process is not None
        node.ending = True
        node.process.send_signal(signal.SIGKILL)
        await node.process.wait()

    def pause(self, name: str) -> None:
        """Stop a process where it stands (SIGSTOP)."""
        self._signal(name, signal.SIGSTOP, paused=True)

    def resume(self, name: str) -> None:
        """Let a paused process go on (SIGCONT)."""
        self._signal(name, signal.SIGCONT, paused=False)

    def _signal(self, name: str, number: signal.Signals, *, paused: bool) -> None:
        node = self._alive(name)
        assert node.process is not None
        node.process.send_signal(number)
        node.paused = paused

    def _alive(self, name: str) -> Node:
        node = self.find(name)
        if not node.running:
            raise ClusterError(f"{node.name} is not running ({node.state})")
        return node

    def cut(self, one: str, other: str) -> None:
        """Drop the route between two nodes, both ways."""
        self.cuts.cut(*self._two(one, other))

    def block(self, sender: str, receiver: str) -> None:
        """Drop what one node sends to another; the way back stays as it is."""
        self.cuts.block(*self._two(sender, receiver))

    def _two(self, one: str, other: str) -> tuple[str, str]:
        a, b = self.find(one).name, self.find(other).name
        if a == b:
            raise ClusterError(f"{a} cannot be cut off from itself")
        return a, b

    def heal(self) -> None:
        """Bring all routes back."""
        self.cuts.heal()

    async def ask(self, name: str, method: str, target: str, body: bytes = b"") -> Answer:
        """Send one request to a node, on a connection of its own; raise as `Client.request`."""
        client = Client.at(self.find(name).url)
        try:
            return await client.request(method, target, body)
        finally:
            client.drop()

    async def ready(self, names: Iterable[str] | None = None, wait_s: float = READY_WAIT_S) -> None:
        """Wait until these nodes, or all, answer 200 on `/readyz`.

        Raises `ClusterError` as soon as one of them has ended, or after `wait_s` seconds, with
        what each said last and the end of its log.
        """
        chosen = [self.find(name) for name in (self.nodes if names is None else names)]
        last: dict[str, str] = {}
        with trio.move_on_after(wait_s):
            async with trio.open_nursery() as nursery:
                for node in chosen:
                    last[node.name] = "not asked yet"
                    nursery.start_soon(_until_ready, node, last, nursery.cancel_scope)
        if last:
            told = [
                f"{n} is not ready: {why}\n{self.find(n).log_tail()}" for n, why in last.items()
            ]
            raise ClusterError("\n".join(told))

    async def stop(self, *names: str) -> dict[str, int]:
        """Stop these processes, or all: TERM, then KILL after `STOP_WAIT_S`.

        Return the exit statuses.
        """
        running = [self._alive(name) for name in names]
        if not names:
            running = [node for node in self.nodes.values() if node.running]
        for node in running:
            assert node.process is not None
            node.ending = True
            node.process.send_signal(signal.SIGTERM)
            node.process.send_signal(signal.SIGCONT)  # a paused process cannot hear TERM
        with trio.move_on_after(STOP_WAIT_S):
            for node in running:
                assert node.process is not None
                await node.process.wait()
        for node in running:
            if node.running:
                await self.kill(node.name)
        return {node.name: node.process.poll() or 0 for node in running if node.process}


async def _until_ready(node: Node, last: dict[str, str], all_waits: trio.CancelScope) -> None:
    """Ask until the answer is yes; a process that has ended ends the wait for all others too."""
    client = Client("127.0.0.1", node.http_port)
    try:
        while node.running:
            why = await why_not_ready(client)
            if why is None:
                del last[node.name]
                return
            last[node.name] = why
            await trio.sleep(READY_POLL_S)
        last[node.name] = f"its process is gone ({node.state})"
        all_waits.cancel()
    finally:
        client.drop()


@asynccontextmanager
async def open_cluster(
    plan: Plan, tell: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Cluster]:
    """Make a cluster, nothing started yet; at the end of the block stop all that runs.

    `tell` is given, as text, what nobody asked for: processes that ended by themselves, or had to
    be killed because TERM did not end them.
    Raises `ClusterError` if the plan cannot be carried out.
    """
    if not 1 <= plan.nodes <= NODES_MAX:
        raise ClusterError(f"a local cluster has 1 to {NODES_MAX} nodes")
    nodes: dict[str, Node] = {}
    failure: Exception | None = None
    async with AsyncExitStack() as held, trio.open_nursery() as nursery:
        bases = plan.http_base, plan.peer_base, plan.resp_base
        ground = Ground(*bases, Cuts(), nodes, held, nursery, plan.tap)
        cluster = Cluster(plan, nodes, ground, nursery, tell)
        try:
            for _ in range(plan.nodes):
                await cluster.add()
            for node in nodes.values():
                node.seeds = tuple(other.front for other in nodes.values() if other is not node)
            yield cluster
        except Exception as error:
            failure = error  # raised below as it is, not wrapped in the nursery's group
        finally:
            with trio.CancelScope(shield=True):
                statuses = await cluster.stop()
            for name, status in statuses.items():
                if status == -signal.SIGKILL:
                    tell(f"{name} did not stop in {STOP_WAIT_S:g} s and was killed")
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
