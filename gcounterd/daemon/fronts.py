"""Fronts: the processes that take client connections for this node, kept running.

Theory. A front has no state, so whatever goes wrong with one is cured by another: it is started
again with the same listening sockets, in which clients have waited meanwhile. One that ends again
and again is started ever more slowly, at last each `PAUSE_MAX_S`. Each front has sockets of its
own on the shared ports (SO_REUSEPORT), so the kernel deals the clients out.

At a stop they end before the server does: what they hand over in their last moments is served.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

import attrs
import trio

from gcounterd.api.access import Access
from gcounterd.api.backend import Backend
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import Listener
from gcounterd.daemon.logs import get_logger
from gcounterd.fronts.handover import Parcel, open_channel
from gcounterd.fronts.owner import Owner
from gcounterd.fronts.process import Orders, Place

log = get_logger("gcounterd.fronts")

PAUSE_MIN_S = 0.1
PAUSE_MAX_S = 10.0
# A front that ran so long was well.
_WELL_S = 30.0
# After its clients' patience at a stop; then it is killed.
_END_S = 1.0


@attrs.frozen
class Port:
    """A port that fronts share: its protocol, and one listener for each of them."""

    protocol: str
    listeners: Sequence[Listener]


class Fronts:
    """The fronts of one node.

    enter  serves a connection that was handed over; its door is the number of a port
    done   set when all have ended after `stop`
    """

    def __init__(
        self, backend: Backend, ports: Sequence[Port], limits: Limits, access: Access
    ) -> None:
        self._backend = backend
        self._access = access
        self._ports = ports
        self._limits = limits
        self._owners: dict[int, Owner] = {}
        self._stopping = trio.Event()
        self._running = trio.CancelScope()
        self.done = trio.Event()
        self.enter: Callable[[socket.socket, Parcel], None] = _refuse

    def __len__(self) -> int:
        """Return how many there should be."""
        return len(self._ports[0].listeners)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep them running until `stop`; report itself started when all have been started."""
        with self._running:
            async with trio.open_nursery() as nursery:
                for number in range(len(self)):
                    await nursery.start(self._keep, number)
                task_status.started()
        self.done.set()

    async def stop(self) -> None:
        """Let all end when their clients have their answers."""
        self._stopping.set()
        with trio.move_on_after(self._limits.drain_s + _END_S):
            for owner in list(self._owners.values()):
                await owner.stop()
            await self.done.wait()
        self._running.cancel()  # which kills those that hang

    async def _keep(self, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        pause = PAUSE_MIN_S
        while not self._stopping.is_set():
            began = trio.current_time()
            status = await self._run_one(number, task_status)
            task_status = trio.TASK_STATUS_IGNORED
            if self._stopping.is_set():
                return
            log.warning("front_ended", front=number, status=status)
            self._backend.count("front_ended")
            pause = PAUSE_MIN_S if trio.current_time() - began > _WELL_S else pause
            with trio.move_on_after(pause):
                await self._stopping.wait()
            pause = min(2 * pause, PAUSE_MAX_S)

    async def _run_one(self, number: int, task_status: trio.TaskStatus[None]) -> int | None:
        """Start one front and serve it; return its status when it has ended."""
        near, far = socket.socketpair()
        channel, far_channel = open_channel()
        with near, far, channel, far_channel:
            process = await self._spawn(number, far, far_channel)
            far.close()
            far_channel.close()
            near.setblocking(False)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(near))
            log.info("front_started", front=number, pid=process.pid)
            owner = Owner(self._backend, stream, channel, self.enter)
            self._owners[number] = owner
            task_status.started()
            try:
                if not self._stopping.is_set():
                    await owner.run()
                with trio.move_on_after(_END_S):
                    await process.wait()
            finally:
                del self._owners[number]
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
        return process.returncode

    async def _spawn(
        self, number: int, stream: socket.socket, channel: socket.socket
    ) -> trio.Process:
        listeners = [(port.protocol, port.listeners[number]) for port in self._ports]
        places = tuple(self._place(protocol, listener) for protocol, listener in listeners)
        orders = Orders(
            self._backend.name,
            number,
            len(self),
            stream.fileno(),
            channel.fileno(),
            places,
            self._limits,
        )
        fds = (orders.stream, orders.channel, *(place.fd for place in places))
        command = [sys.executable, "-m", "gcounterd.fronts.process", orders.write()]
        return await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, pass_fds=fds)

    def _place(self, protocol: str, listener: Listener) -> Place:
        return Place(
            listener.sock.fileno(),
            protocol,
            listener.address,
            listener.guard is not None,
            listener.local,
            # A front does not know what others let through: with rates it judges nobody.
            self._access.public.scopes if self._access.rates is None else (),
            self._access.tokens is not None or self._access.rates is not None,
        )


def _refuse(sock: socket.socket, parcel: Parcel) -> None:
    sock.close()  # nobody serves yet
