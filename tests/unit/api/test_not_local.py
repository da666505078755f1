"""A listener that others can reach offers no admin verbs."""

from __future__ import annotations

import trio

from gcounterd.api.access import Access
from gcounterd.api.judged import open_doors
from gcounterd.api.listeners import listen_tcp
from gcounterd.api.server import serve
from gcounterd.security.tokens import Scope
from tests.unit.api.http_rig import Client
from tests.unit.api.memory_backend import MemoryBackend


async def test_admin_verbs_are_refused_on_a_listener_that_others_can_reach() -> None:
    listener = await listen_tcp("0.0.0.0", 0)
    async with trio.open_nursery() as nursery:
        backend = MemoryBackend()
        access = Access((Scope.READ, Scope.COUNT))
        await nursery.start(serve, backend, open_doors(backend, [listener], access=access))
        client = Client(await trio.open_tcp_stream("127.0.0.1", listener.port))
        async with client.stream:
            for target, body in (("verify", b""), ("backup", b'{"path": "/tmp/x"}')):
                answer = await client.ask("POST", f"/v1/admin/{target}", body)
                assert (answer.status, answer.code) == (403, "forbidden")
            anywhere = await client.ask("POST", "/v1/counters/a", headers=b"Host: example.com\r\n")
            assert anywhere.json == {"key": "a", "value": 1}
        nursery.cancel_scope.cancel()
