"""Who needs which token over HTTP, on every route, and what each sees of the keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
from http_rig import HOST, Client, Rig, running

from gcounterd.api.access import Access
from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Route
from gcounterd.api.scopes import SCOPES, scope_of
from gcounterd.security.tokens import Scope, Tokens, new_token, write_time
from tests.unit.api.test_routes import BODIES, target_of

BEGINNING_S = 1_000_000.0


@attrs.define
class Desk:
    """A node with one token of each kind; `now_s` is what its clock shows."""

    rig: Rig
    access: Access
    secrets: dict[str, str]
    now_s: float = BEGINNING_S

    def shown(self, name: str) -> bytes:
        return HOST + f"Authorization: Bearer {self.secrets[name]}\r\n".encode()

    async def ask(
        self, client: Client, line: str, name: str = "", body: bytes = b""
    ) -> tuple[int, str]:
        """Return the status and the code of an error."""
        method, target = line.split()
        headers = self.shown(name) if name else HOST
        answer = await client.ask(method, target, body, headers)
        return answer.status, answer.code if answer.status >= 400 else ""


KINDS: dict[str, tuple[list[Scope], list[str]]] = {
    "read": ([Scope.READ], []),
    "count": ([Scope.COUNT], []),
    "admin": ([Scope.ADMIN], []),
    "blog": ([Scope.READ, Scope.COUNT], ["blog/", "b%"]),
}


async def opened(folder: Path, public: list[Scope]) -> AsyncIterator[Desk]:
    made = {name: new_token(scopes, keys, name) for name, (scopes, keys) in KINDS.items()}
    made["soon"] = new_token([Scope.COUNT], [], "soon", BEGINNING_S + 10)
    secrets = {name: secret for name, (secret, _) in made.items()}
    clock = {"s": BEGINNING_S}
    tokens = Tokens([token for _, token in made.values()])
    access = Access(public, tokens, lambda: clock["s"])
    async with running(folder, access=access) as rig:
        yield Desk(rig, access, secrets)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async for each in opened(tmp_path, []):
        yield each


@pytest.fixture
async def public_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async for each in opened(tmp_path, [Scope.READ]):
        yield each


def test_every_route_says_what_it_needs() -> None:
    assert [(route.method, route.pattern) for route in ROUTES if not _is_known(route)] == []
    assert SCOPES.keys() == {(route.method, route.pattern) for route in ROUTES}


def _is_known(route: Route) -> bool:
    return (route.method, route.pattern) in SCOPES


async def test_every_route_is_refused_without_its_scope_and_answered_with_it(desk: Desk) -> None:
    client = await desk.rig.connect()
    for route in ROUTES:
        if route.pattern.endswith("/stream"):
            continue  # its answer has no end
        line, scope = f"{route.method} {target_of(route)}", scope_of(route)
        body = BODIES.get((route.method, route.pattern), b"")
        told = {name: await desk.ask(client, line, name, body) for name in ("", *KINDS)}
        if scope is None:
            assert all(status in route.answers for status, _ in told.values()), line
            continue
        assert told[""] == (401, "token_needed"), line
        assert told["admin"][0] in route.answers, line
        others = {Scope.READ: "count", Scope.COUNT: "read", Scope.ADMIN: "blog"}
        assert told[others[scope]] == (403, "scope_missing"), line
        assert scope is Scope.ADMIN or told[scope.value][0] in route.answers, line


async def test_every_route_that_names_a_key_looks_at_it(desk: Desk) -> None:
    client = await desk.rig.connect()
    for route in ROUTES:
        named = [p.name for p in route.parameters if p.name in ("key", "ns", "word", "keywords")]
        by_name = route.pattern.startswith("/counter/")
        scope = scope_of(route)
        whole = ("/v1/text", "/keywords", "/v1/imports", "/v1/counters")
        touches = named or by_name or route.pattern in whole
        if not touches or scope in (None, Scope.ADMIN) or route.pattern.endswith("stream"):
            continue
        line = f"{route.method} {target_of(route)}"
        body = BODIES.get((route.method, route.pattern), b"")
        if line == "GET /v1/counters":
            line += "?key=blog%2Fa&key=a"
        if line == "GET /keywords":
            line += "?keywords=a"
        assert await desk.ask(client, line, "blog", body) == (403, "key_forbidden"), line
    streams = ("/v1/stream?key=blog%2Fa&key=a", "/v1/stream?top=3", "/v1/cluster/stream")
    for line in [f"GET {target}" for target in streams]:
        assert await desk.ask(client, line, "blog") == (403, "key_forbidden")
    assert desk.rig.backend.values == {}


async def test_what_is_within_the_prefixes_is_answered(desk: Desk) -> None:
    client = await desk.rig.connect()
    for line, body in (
        ("POST /v1/counters/blog%2Fa", b""),
        ("POST /v1/counters/blog%2Fa", b'{"by": 3}'),
        ("POST /v1/counters/b%25", b""),
        ("GET /hit/blog/a", b""),
        ("GET /info/blog/a", b""),
        ("GET /badge/blog/a.svg", b""),
        ("POST /counter/blog%2Fa", b"2"),
        ("POST /v1/counters", b'{"counts": {"blog/a": 1, "blog/b": 1}}'),
        ("PUT /v1/counters/blog%2Fa/share", b'{"at_least": 1}'),
        ("GET /v1/counters/blog%2Fa?by_node=true&min=1", b""),
    ):
        assert await desk.ask(client, line, "blog", body) == (200, ""), line
    assert desk.rig.backend.values == {b"blog/a": 8, b"blog/b": 1, b"b%": 1}


async def test_lists_show_what_is_within_the_prefixes(desk: Desk) -> None:
    values = {"a": 9, "b%1": 2, "b": 8, "blog/a": 1, "blog/b": 5, "c": 7}
    desk.rig.backend.values.update({key.encode(): value for key, value in values.items()})
    client = await desk.rig.connect()

    async def show(target: str) -> tuple[list[tuple[str, int]], str | None]:
        told = json.loads((await client.ask("GET", target, b"", desk.shown("blog"))).body)
        return [(each["key"], each["value"]) for each in told["counters"]], told["next"]

    everything = [("b%1", 2), ("blog/a", 1), ("blog/b", 5)]
    assert await show("/v1/counters") == (everything, None)
    assert await show("/v1/counters?prefix=b") == (everything, None)
    assert await show("/v1/counters?limit=2") == (everything[:2], "blog/a")
    assert await show("/v1/counters?limit=1") == (everything[:1], "b%1")
    assert await show("/v1/counters?limit=2&after=b%251") == (everything[1:], None)
    assert await show("/v1/counters?prefix=blog%2Fb") == ([("blog/b", 5)], None)
    assert await show("/v1/counters?prefix=c") == ([], None)
    assert await show("/v1/top?limit=2") == ([("blog/b", 5), ("b%1", 2)], None)
    export = await client.ask("GET", "/v1/export?format=csv", b"", desk.shown("blog"))
    assert export.body == b"key,value\nb%1,2\nblog/a,1\nblog/b,5\n"


async def test_a_token_that_is_wrong_is_told_so_even_where_none_is_needed(
    public_desk: Desk,
) -> None:
    desk = public_desk
    client = await desk.rig.connect()
    line = "GET /v1/counters/a"
    assert await desk.ask(client, line) == (200, "")
    desk.secrets["wrong"] = "gct_wrong"
    assert await desk.ask(client, line, "wrong") == (401, "token_unknown")
    answer = await client.ask("GET", "/v1/counters/a", b"", desk.shown("wrong"))
    assert answer.headers["www-authenticate"] == 'Bearer realm="gcounterd"'
    basic = await client.ask("GET", "/v1/counters/a", b"", HOST + b"Authorization: Basic YTpi\r\n")
    assert basic.status == 200  # somebody in front of us wanted it


async def test_what_is_public_needs_no_token_whatever_the_token_is_for(public_desk: Desk) -> None:
    client = await public_desk.rig.connect()
    assert await public_desk.ask(client, "GET /v1/counters/a", "count") == (200, "")
    assert await public_desk.ask(client, "GET /v1/counters/a", "blog") == (200, "")
    assert await public_desk.ask(client, "POST /v1/counters/a") == (401, "token_needed")
    assert await public_desk.ask(client, "POST /v1/drain") == (401, "token_needed")
    assert await public_desk.ask(client, "POST /v1/counters/a", "blog") == (403, "key_forbidden")


async def test_hot_requests_of_one_connection_are_judged_one_by_one(desk: Desk) -> None:
    client = await desk.rig.connect()
    lines = [("blog:1", "blog"), ("blog", "count"), ("blog", ""), ("blog", "read")]
    for _ in range(2):  # the second time the heads are known
        for key, name in lines:
            told = await desk.ask(client, f"POST /v1/counters/{key}", name)
            expected = {"count": (200, ""), "": (401, "token_needed")}
            missing = "scope_missing" if name == "read" else "key_forbidden"
            assert told == expected.get(name, (403, missing))
    head = b" HTTP/1.1\r\n" + desk.shown("count") + b"\r\n"
    await client.send(b"POST /v1/counters/a" + head)
    assert (await client.read()).status == 200
    await client.send((b"POST /v1/counters/a" + head) * 2 + b"GET /v1/counters/a" + head)
    assert [(await client.read()).status for _ in range(3)] == [200, 200, 403]
    assert desk.rig.backend.values == {b"blog": 2, b"a": 3}


async def test_tokens_that_are_replaced_or_expire_are_gone_for_open_connections(
    tmp_path: Path,
) -> None:
    now = [BEGINNING_S]
    secret, token = new_token([Scope.COUNT], [], "soon", BEGINNING_S + 10)
    access = Access((), Tokens([token]), lambda: now[0])
    async with running(tmp_path, access=access) as rig:
        client = await rig.connect()
        desk = Desk(rig, access, {"soon": secret})
        for _ in range(3):
            assert await desk.ask(client, "POST /v1/counters/a", "soon") == (200, "")
        now[0] += 11
        access.tick()
        for line in ("POST /v1/counters/a", "GET /v1/top"):
            assert await desk.ask(client, line, "soon") == (401, "token_expired")
        now[0] = BEGINNING_S
        assert await desk.ask(client, "POST /v1/counters/a", "soon") == (200, "")
        access.replace(Tokens())
        assert await desk.ask(client, "POST /v1/counters/a", "soon") == (401, "token_unknown")
        assert rig.backend.values == {b"a": 4}
    assert write_time(token.grant.expires_s) == "1970-01-12T13:46:50Z"


async def test_the_dashboard_is_empty_to_whoever_may_not_read_all(desk: Desk) -> None:
    desk.rig.backend.values[b"a-secret-name"] = 7
    client = await desk.rig.connect()
    for name, shown in (("", False), ("count", False), ("blog", False), ("read", True)):
        answer = await client.ask("GET", "/", b"", desk.shown(name) if name else HOST)
        assert answer.status == 200
        assert (b"a-secret-name" in answer.body) == shown, name
        assert b"<!-- " not in answer.body


async def test_the_admin_socket_needs_no_token(desk: Desk) -> None:
    client = await desk.rig.connect_unix()
    assert await desk.ask(client, "POST /v1/drain") == (200, "")
    assert await desk.ask(client, "POST /v1/counters/a") == (200, "")
    assert await desk.ask(client, "POST /v1/counters/a", "read") == (200, "")


async def test_a_name_of_another_host_is_answered_to_whoever_shows_a_token(desk: Desk) -> None:
    client = await desk.rig.connect()
    elsewhere = b"Host: counts.example\r\nOrigin: https://counts.example\r\n"
    assert (await client.ask("GET", "/v1/cluster", b"", elsewhere)).code == "bad_host"
    shown = desk.shown("read").removeprefix(HOST)
    assert (await client.ask("GET", "/v1/cluster", b"", elsewhere + shown)).status == 200


async def test_two_tokens_in_one_request_are_malformed(desk: Desk) -> None:
    client = await desk.rig.connect()
    twice = desk.shown("read") + desk.shown("count").removeprefix(HOST)
    assert (await client.ask("GET", "/v1/top", b"", twice)).code == "malformed"
