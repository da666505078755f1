"""The control socket of a running local cluster: one line of JSON in, one line out.

    {"verb": "cut", "arguments": ["1", "2"]}  →  {"ok": true, "result": null}
                                              →  {"ok": false, "error": "no node '7'; …"}

`scripts/cluster up` owns the processes and the routes; the other verbs are asked of it here. The
socket lies in the cluster's directory, which only its owner can enter. A connection carries one
request. This module refuses to know how verbs look on a command line.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from tests.cluster.client import Client, why_not_ready
from tests.cluster.processes import STOP_WAIT_S, Cluster, ClusterError, Node

SOCKET_NAME = "control.sock"
# A request is a verb and two names; more is a mistake, and is refused.
REQUEST_BYTES_MAX = 4096
# A client that connects and says nothing is dropped.
REQUEST_WAIT_S = 5.0
# No verb takes longer than stopping every node.
REPLY_WAIT_S = STOP_WAIT_S + 20.0
# Those who may wait to be accepted; a shell's few commands at once.
BACKLOG = 16

Verb = Callable[..., Awaitable[Any]]


class Control:
    """Carries out verbs on a cluster. `stopping` is set by `down`."""

    def __init__(self, cluster: Cluster) -> None:
        self.stopping = trio.Event()
        self._stopped = False
        self._cluster = cluster
        self._verbs: dict[str, tuple[int, Verb]] = {
            "down": (0, self._down),
            "status": (0, self._status),
            "heal": (0, self._heal),
            "add": (0, self._add),
            "cut": (2, self._cut),
            "block": (2, self._block),
            "kill": (1, cluster.kill),
            "start": (1, cluster.start),
            "stop": (1, cluster.stop),
            "pause": (1, self._pause),
            "resume": (1, self._resume),
        }

    async def serve(self, listener: trio.SocketListener) -> None:
        """Answer requests until cancelled."""
        await trio.serve_listeners(self._answer, [listener])

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                reply = {"ok": True, "result": await self._perform(await _read_line(stream))}
            except ClusterError as error:
                reply = {"ok": False, "error": str(error)}
            # Should who asked have gone: what was asked is done all the same.
            with trio.move_on_after(REQUEST_WAIT_S), suppress(trio.BrokenResourceError):
                await stream.send_all(json.dumps(reply).encode() + b"\n")
        if self._stopped:
            self.stopping.set()  # not before `down` is answered

    async def _perform(self, line: bytes) -> Any:
        try:
            request = json.loads(line)
            name, arguments = str(request["verb"]), [str(word) for word in request["arguments"]]
        except (ValueError, KeyError, TypeError):
            raise ClusterError(
                "a request is a line of JSON with a verb and its arguments"
            ) from None
        if name not in self._verbs:
            raise ClusterError(f"no verb {name!r}; there are {', '.join(self._verbs)}")
        count, verb = self._verbs[name]
        if len(arguments) != count:
            raise ClusterError(f"{name} takes {count} arguments, not {len(arguments)}")
        return await verb(*arguments)

    async def _down(self) -> None:
        await self._cluster.stop()
        self._stopped = True

    async def _heal(self) -> None:
        self._cluster.heal()

    async def _add(self) -> dict[str, str]:
        node = await self._cluster.add()
        await self._cluster.start(node.name)
        return {"name": node.name, "url": node.url}

    async def _cut(self, one: str, other: str) -> None:
        self._cluster.cut(one, other)

    async def _block(self, sender: str, receiver: str) -> None:
        self._cluster.block(sender, receiver)

    async def _pause(self, name: str) -> None:
        self._cluster.pause(name)

    async def _resume(self, name: str) -> None:
        self._cluster.resume(name)

    async def _status(self) -> dict[str, Any]:
        rows: dict[str, dict[str, Any]] = {}
        async with trio.open_nursery() as nursery:
            for node in self._cluster.nodes.values():
                rows[node.name] = {}
                nursery.start_soon(_describe, node, rows[node.name])
        cuts = self._cluster.cuts
        return {"nodes": list(rows.values()), "cuts": cuts.pairs(), "one_way": cuts.one_way()}


async def _describe(node: Node, row: dict[str, Any]) -> None:
    pid = node.process.pid if node.process is not None and node.running else None
    row |= {"name": node.name, "pid": pid, "state": node.state, "url": node.url, "ready": False}
    if node.state == "running":
        client = Client("127.0.0.1", node.http_port)
        row["ready"] = await why_not_ready(client) is None
        client.drop()


@asynccontextmanager
async def open_control_socket(path: Path) -> AsyncIterator[trio.SocketListener]:
    """Listen at `path`, and remove it at the end of the block.

    Raises `ClusterError` if another process answers there; a socket that nobody answers at is left
    from a crash, and is replaced.
    """
    if answers(path):
        raise ClusterError(f"a cluster is running already: it answers at {path}")
    path.unlink(missing_ok=True)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await listening.bind(os.fspath(path))
        listening.listen(BACKLOG)
        yield trio.SocketListener(listening)
    finally:
        listening.close()
        path.unlink(missing_ok=True)


async def _read_line(stream: trio.SocketStream) -> bytes:
    line = b""
    with trio.move_on_after(REQUEST_WAIT_S):
        while not line.endswith(b"\n") and len(line) <= REQUEST_BYTES_MAX:
            try:
                chunk = await stream.receive_some(REQUEST_BYTES_MAX)
            except trio.BrokenResourceError:
                break
            if not chunk:
                break
            line += chunk
    return line


def answers(path: Path) -> bool:
    """Say whether a running cluster listens at `path`."""
    try:
        with _connect(path):
            return True
    except ClusterError:
        return False


def _connect(path: Path) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    caller.settimeout(REPLY_WAIT_S)
    try:
        caller.connect(os.fspath(path))
    except OSError as error:
        caller.close()
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            raise ClusterError("no cluster is running here; start one with: up") from None
        raise ClusterError(f"{path}: {error}") from error
    return caller


def ask(path: Path, verb: str, *arguments: str) -> Any:
    """Have the cluster that listens at `path` carry out a verb and return its result.

    Blocks. Raises `ClusterError` with what the cluster said, or if none is running.
    """
    with _connect(path) as caller:
        caller.sendall(json.dumps({"verb": verb, "arguments": arguments}).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n"):
            try:
                chunk = caller.recv(65536)
            except OSError as error:
                raise ClusterError(f"the cluster did not answer: {error}") from error
            if not chunk:
                raise ClusterError("the cluster went away before it answered")
            data += chunk
    reply = json.loads(data)
    if not reply["ok"]:
        raise ClusterError(reply["error"])
    return reply["result"]
