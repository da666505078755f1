"""A balancer before a cluster: each connection goes to the next node, and some answers are lost.

It passes bytes and knows one thing about them: what a node sends at once is one answer, which holds
for the small answers to increments. It refuses to know HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import trio

CHUNK_BYTES = 64 * 1024


class Balancer:
    """Spreads connections over `ports`; of the answers every `lose_every`th is not passed on, and
    its connection is closed instead.
    """

    def __init__(self, ports: Sequence[int], lose_every: int) -> None:
        self.answers = 0
        self.lost = 0
        self.visited: dict[int, int] = dict.fromkeys(ports, 0)
        self.ports = ports
        self._lose_every = lose_every
        self._next = 0
        self._open: dict[trio.CancelScope, None] = {}

    def move(self, *ports: int) -> None:
        """Spread new connections over these ports from now on, and end the old ones."""
        self.ports = ports
        for scope in list(self._open):
            scope.cancel()

    async def serve(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept until cancelled; starts with its URL."""
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(f"http://127.0.0.1:{listener.socket.getsockname()[1]}")
        await trio.serve_listeners(self._pass_on, [listener])

    async def _pass_on(self, stream: trio.SocketStream) -> None:
        port = self.ports[self._next % len(self.ports)]
        self._next += 1
        self.visited[port] = self.visited.get(port, 0) + 1
        async with stream:
            try:
                node = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                return
            async with node, trio.open_nursery() as nursery:
                nursery.start_soon(self._answers, node, stream, nursery.cancel_scope)
                self._open[nursery.cancel_scope] = None
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    async for chunk in stream:
                        await node.send_all(chunk)
                nursery.cancel_scope.cancel()
            self._open.pop(nursery.cancel_scope)

    async def _answers(
        self, node: trio.SocketStream, stream: trio.SocketStream, end: trio.CancelScope
    ) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for chunk in node:
                self.answers += 1
                if self.answers % self._lose_every == 0:
                    self.lost += 1
                    break
                await stream.send_all(chunk)
        end.cancel()
