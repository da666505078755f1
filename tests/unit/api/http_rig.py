"""A running server with real sockets, and h11 as the client that judges its answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import attrs
import h11
import trio

from gcounterd.api.access import Access
from gcounterd.api.judged import open_doors
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import Listener, listen_tcp, listen_unix
from gcounterd.api.server import serve
from tests.unit.api.memory_backend import MemoryBackend

# No test waits longer than this for anything; it is never reached when all is well.
PATIENCE_S = 20
HOST = b"Host: localhost\r\n"


@attrs.frozen
class Answer:
    """A parsed answer. `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        shape = json.loads(self.body)["error"]
        assert sorted(shape) == ["code", "definite", "message"]
        assert shape["message"]
        return str(shape["code"])


class Client:
    """One connection. Requests are bytes; answers are read by h11."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._rest = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read(self, method: str = "GET") -> Answer:
        """Read one answer to a request of that method; `EOFError` if there is none."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        if self._rest:
            parser.receive_data(self._rest)
        head: h11.Response | None = None
        body = b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                data = await self.stream.receive_some()
                if not data and head is None:
                    raise EOFError
                parser.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
        assert head is not None
        self._rest = parser.trailing_data[0]
        headers = {name.decode(): value.decode() for name, value in head.headers}
        assert headers["gcounter-node"] == "n1"
        return Answer(head.status_code, headers, body)

    async def read_until(self, end: bytes) -> bytes:
        """Read raw bytes up to and with `end`."""
        while end not in self._rest:
            self._rest += await self.stream.receive_some()
        told, end, self._rest = self._rest.partition(end)
        return told + end

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: bytes = HOST
    ) -> Answer:
        """Send one request and read its answer."""
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        line = f"{method} {target} HTTP/1.1\r\n".encode()
        await self.send(line + headers + length + b"\r\n" + body)
        return await self.read(method)

    async def is_closed(self) -> bool:
        """Wait until the server closes; False if it sends something instead."""
        try:
            return not self._rest and not await self.stream.receive_some()
        except trio.BrokenResourceError:
            return True


@attrs.define
class Rig:
    """A server on a loopback port and on a Unix socket."""

    backend: MemoryBackend
    port: int
    unix: Listener
    cancel: trio.CancelScope
    nursery: trio.Nursery
    clients: list[Client] = attrs.field(factory=list)

    async def connect(self) -> Client:
        """Open a connection; it is closed after the test."""
        self.clients.append(Client(await trio.open_tcp_stream("127.0.0.1", self.port)))
        return self.clients[-1]

    async def connect_unix(self) -> Client:
        self.clients.append(Client(await trio.open_unix_socket(self.unix.address)))
        return self.clients[-1]

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: bytes = HOST
    ) -> Answer:
        """Ask on a connection of its own."""
        client = await self.connect()
        async with client.stream:
            return await client.ask(method, target, body, headers)

    async def tell(self, data: bytes) -> tuple[Answer, Client]:
        """Send raw bytes on a connection of its own and read the first answer."""
        client = await self.connect()
        await client.send(data)
        return await client.read(), client


@asynccontextmanager
async def running(
    folder: Path, limits: Limits | None = None, access: Access | None = None
) -> AsyncIterator[Rig]:
    """Run a server for the length of a test."""
    backend = MemoryBackend()
    tcp = await listen_tcp("127.0.0.1", 0)
    unix = listen_unix(folder / "admin.sock")

    async def run(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            doors = open_doors(backend, [tcp, unix], limits, access)
            await serve(backend, doors, limits=limits, task_status=task_status)

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            await nursery.start(run, scope)
            rig = Rig(backend, tcp.port, unix, scope, nursery)
            try:
                yield rig
            finally:
                for client in rig.clients:
                    await trio.aclose_forcefully(client.stream)
            scope.cancel()


def path_of(key: str | bytes) -> str:
    """Return the path of a counter."""
    return "/v1/counters/" + quote(key, safe="")


def increments(count: int, key: bytes = b"a") -> bytes:
    """Return that many pipelined increments."""
    return (b"POST /v1/counters/%b HTTP/1.1\r\n%b\r\n" % (key, HOST)) * count
