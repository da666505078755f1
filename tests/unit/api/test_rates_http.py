"""Clients that ask too often are told so, each for itself, hot requests as well as others."""

from __future__ import annotations

from pathlib import Path

from http_rig import HOST, Client, running

from gcounterd.api.access import Access
from gcounterd.resp.permits import Permit
from gcounterd.security.audit import Deed
from gcounterd.security.rates import BURST_S, Rates
from gcounterd.security.tokens import Scope, Tokens, new_token
from tests.unit.resp.resp_rig import Player

NOW_S = 1_000_000.0


async def status(client: Client, line: str, headers: bytes = HOST) -> int:
    method, target = line.split()
    return (await client.ask(method, target, b"", headers)).status


async def test_beyond_its_rate_a_client_is_refused_and_later_it_is_not(tmp_path: Path) -> None:
    now = [NOW_S]
    access = Access(clock=lambda: now[0], rates=Rates(2))
    async with running(tmp_path, access=access) as rig:
        client = await rig.connect()
        for line in ("POST /v1/counters/a", "GET /v1/counters/a", "GET /v1/top", "GET /hit/a/b"):
            assert await status(client, line) == 200
        answer = await client.ask("POST", "/v1/counters/a")
        assert (answer.status, answer.code) == (429, "rate_limited")
        assert answer.headers["retry-after"] == "1"
        assert await status(client, "GET /v1/top") == 429
        assert await status(await rig.connect(), "POST /v1/counters/a") == 429  # by its address
        assert await status(client, "GET /readyz") == 200
        assert await status(await rig.connect_unix(), "POST /v1/counters/a") == 200
        now[0] += 1
        assert await status(client, "POST /v1/counters/a") == 200
        # Of a chunk that is too much as a whole, what fits is answered.
        line = b"POST /v1/counters/a HTTP/1.1\r\n" + HOST + b"\r\n"
        await client.send(line * 3)
        assert [(await client.read()).status for _ in range(3)] == [200, 429, 429]
        assert rig.backend.values == {b"a": 4, b"a/b": 1}


async def test_tokens_have_rates_of_their_own_and_wrong_ones_are_charged_to_the_address(
    tmp_path: Path,
) -> None:
    made = [new_token([Scope.COUNT], [], name) for name in "ab"]
    access = Access((), Tokens([token for _, token in made]), lambda: NOW_S, rates=Rates(1))
    async with running(tmp_path, access=access) as rig:
        client = await rig.connect()
        shown = [HOST + f"Authorization: Bearer {secret}\r\n".encode() for secret, _ in made]
        line = "POST /v1/counters/a"
        for headers in shown:
            told = [await status(client, line, headers) for _ in range(BURST_S + 1)]
            assert told == [200] * BURST_S + [429]
        wrong = HOST + b"Authorization: Bearer gct_wrong\r\n"
        assert [await status(client, line, wrong) for _ in range(3)] == [401, 401, 429]
        assert await status(client, line) == 429


async def test_commands_over_resp_have_the_same_rate() -> None:
    access = Access((Scope.READ, Scope.COUNT), clock=lambda: NOW_S, rates=Rates(1))
    player = Player(access=access)
    told = await player.ask("PING", "INCR a", "GET a", "INCR a")
    assert told == [b"PONG", 1, b"1", "-ERR rate limit: at most 1 a second; try again"]
    permit = Permit(access, access.public)
    permit.client = "10.0.0.7"
    assert permit.may_count([b"a", b"b"])
    assert not permit.may_count([b"a"])


async def test_what_operators_do_is_taken_down_with_who_and_how_it_ended(tmp_path: Path) -> None:
    deeds: list[Deed] = []
    secret, token = new_token([Scope.ADMIN], [], "anna")
    reader, second = new_token([Scope.READ], [], "web")
    access = Access((), Tokens([token, second]), note=deeds.append)
    async with running(tmp_path, access=access) as rig:
        client = await rig.connect()
        shown = HOST + f"Authorization: Bearer {secret}\r\n".encode()
        await client.ask("POST", "/v1/drain", b"", shown)
        await client.ask("POST", "/v1/admin/backup", b'{"path": "x"}', shown)
        await client.ask("DELETE", "/v1/cluster/nodes/n2?dead=true", b"", shown)
        await client.ask("POST", "/v1/undrain")
        reading = HOST + f"Authorization: Bearer {reader}\r\n".encode()
        await client.ask("POST", "/v1/undrain", b"", reading)
        await client.ask("GET", "/v1/cluster", b"", shown)
        unix = await rig.connect_unix()
        await unix.ask("POST", "/v1/undrain")
    assert deeds == [
        Deed("anna", "drain", "POST /v1/drain", 200),
        Deed("anna", "backup", 'POST /v1/admin/backup {"path": "x"}', 400, "bad_path"),
        Deed("anna", "remove_node", "DELETE /v1/cluster/nodes/n2?dead=true", 200),
        Deed("127.0.0.1", "undrain", "POST /v1/undrain", 401, "token_needed"),
        Deed("web", "undrain", "POST /v1/undrain", 403, "scope_missing"),
        Deed("admin socket", "undrain", "POST /v1/undrain", 200),
    ]
