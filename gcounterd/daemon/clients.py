"""Clients: every way by which they come in, opened together and closed before the rest.

Theory. HTTP and RESP have their ports, operators on this host the admin socket; all connections
live in one hub. With fronts the ports are theirs: they accept, and hand over to this process
whoever asks for more than counting and reading. The admin socket stays here, for it has to work
when everything else does not.
"""

from __future__ import annotations

import attrs
import trio

from gcounterd.api.access import Access
from gcounterd.api.doors import Door
from gcounterd.api.encrypted import Encryption
from gcounterd.api.hub import Hub
from gcounterd.api.judged import open_doors
from gcounterd.api.limits import Limits
from gcounterd.api.listeners import Listener, listen_shared, listen_tcp, listen_unix
from gcounterd.api.server import serve
from gcounterd.daemon.addresses import Address
from gcounterd.daemon.fronts import Fronts, Port
from gcounterd.daemon.places import admin_socket
from gcounterd.daemon.service import Service
from gcounterd.daemon.settings import Settings
from gcounterd.daemon.watching import Watching
from gcounterd.fronts.owner import arrival
from gcounterd.fronts.process import HTTP, RESP
from gcounterd.resp.doors import open_resp

# That of HTTP, and that of RESP.
Encrypted = tuple[Encryption | None, Encryption | None]


@attrs.define(eq=False)
class Clients:
    """The doors of one node, to be stopped before the rest.

    http, resp  the ports, each with one listener or with one for each front; None: no RESP
    encrypted   how each of them is encrypted, if it is
    stopping    set it to have them closed when the answers in flight are out
    done        set then
    """

    service: Service
    watching: Watching
    limits: Limits
    access: Access
    encrypted: Encrypted
    admin: Listener
    http: list[Listener]
    resp: list[Listener] | None
    fronts: Fronts | None = None
    stopping: trio.Event = attrs.Factory(trio.Event)
    done: trio.Event = attrs.Factory(trio.Event)

    @classmethod
    async def open(
        cls,
        service: Service,
        watching: Watching,
        settings: Settings,
        limits: Limits,
        access: Access,
        encrypted: Encrypted,
    ) -> Clients:
        """Bind all that is asked for. Raises `ConfigError`."""
        http = await _listen(settings.http, settings.fronts)
        resp = None if settings.resp is None else await _listen(settings.resp, settings.fronts)
        admin = listen_unix(admin_socket(settings.data_dir))
        clients = cls(service, watching, limits, access, encrypted, admin, http, resp)
        if settings.fronts:
            ports = [Port(HTTP, http), *([Port(RESP, resp)] if resp else [])]
            clients.fronts = Fronts(service, ports, limits, access)
        return clients

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve until told to stop, and until the answers in flight are out."""
        http, resp = self.encrypted
        ports = open_doors(self.service, [self.http[0]], self.limits, self.access, http)
        if self.resp:
            ports.append(open_resp(self.service, self.resp[0], self.access, resp))
        async with trio.open_nursery() as nursery:
            serving = trio.CancelScope()
            hub = await nursery.start(self._serve, serving, ports)
            if self.fronts is not None:
                self.fronts.enter = arrival(ports, hub, self.service.count)
                await nursery.start(self.fronts.run)
            task_status.started()
            await self.stopping.wait()
            if self.fronts is not None:
                # The kernel deals no client to a socket at which nobody accepts any more.
                for listener in (*self.http, *(self.resp or ())):
                    listener.close()
                await self.fronts.stop()
            serving.cancel()
        self.done.set()

    async def _serve(
        self,
        serving: trio.CancelScope,
        ports: list[Door],
        *,
        task_status: trio.TaskStatus[Hub],
    ) -> None:
        inner = open_doors(self.service, [self.admin], self.limits, self.access)
        here, theirs = (ports, []) if self.fronts is None else ([], ports)
        with serving:
            await serve(
                self.service,
                [*here, *inner],
                limits=self.limits,
                fronted=theirs,
                task_status=task_status,
            )


async def _listen(at: Address, fronts: int) -> list[Listener]:
    if fronts:
        return await listen_shared(at.host, at.port, fronts)
    return [await listen_tcp(at.host, at.port)]
