"""What pages of any origin may ask a listener that trusts its host, and what they may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from http_rig import HOST, Rig, running

from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Route
from gcounterd.api.scopes import scope_of
from gcounterd.security.tokens import Scope

PAGE = b"Origin: https://blog.example\r\n"
# Everything that a page may ask for; adding to it is a decision.
OPEN = {
    ("POST", "/v1/counters/{key}"),
    ("GET", "/v1/counters/{key}"),
    ("POST", "/v1/counters"),
    ("GET", "/v1/counters"),
    ("GET", "/v1/top"),
    ("GET", "/v1/stream"),
    ("GET", "/gcounter.js"),
    ("GET", "/page/{name}"),
    ("GET", "/hit/{ns}/{key}"),
    ("POST", "/hit/{ns}/{key}"),
    ("GET", "/hit/{ns}"),
    ("POST", "/hit/{ns}"),
    ("GET", "/get/{ns}/{key}"),
    ("GET", "/get/{ns}"),
    ("GET", "/info/{ns}/{key}"),
    ("GET", "/badge/{ns}/{key}.svg"),
    ("GET", "/shields/{ns}/{key}"),
    ("POST", "/v1/text"),
    ("GET", "/v1/text"),
    ("POST", "/keywords"),
    ("GET", "/keywords"),
}
SHUT = [route for route in ROUTES if not route.open]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as running_rig:
        yield running_rig


def path_of(route: Route) -> str:
    path = route.pattern
    for name in ("key", "name", "names", "ns", "word"):
        path = path.replace(f"{{{name}}}", "a")
    return path


def test_what_is_open_stands_here() -> None:
    assert {(route.method, route.pattern) for route in ROUTES if route.open} == OPEN
    assert not any(scope_of(route) is Scope.ADMIN for route in ROUTES if route.open)


@pytest.mark.parametrize("method", ["own", "OPTIONS"])
@pytest.mark.parametrize("route", SHUT, ids=lambda route: f"{route.method} {route.pattern}")
async def test_whatever_else_is_kept_from_pages_of_strangers(
    rig: Rig, route: Route, method: str
) -> None:
    asked = route.method if method == "own" else method
    page = await rig.ask(asked, path_of(route), headers=HOST + PAGE)
    rebound = await rig.ask(asked, path_of(route), headers=b"Host: blog.example\r\n")
    if method == "own" or route.pattern not in {pattern for _, pattern in OPEN}:
        assert (page.status, page.code) == (403, "bad_origin")
        assert (rebound.status, rebound.code) == (421, "bad_host")
    assert "access-control-allow-origin" not in page.headers or method == "OPTIONS"


async def test_a_page_of_any_origin_may_count_and_read(rig: Rig) -> None:
    asked = (
        ("POST", "/v1/counters/a", b""),
        ("GET", "/v1/counters/a", b""),
        ("POST", "/v1/counters", b'{"counts": {"a": 1}}'),
        ("GET", "/v1/top", b""),
        ("GET", "/hit/a/b", b""),
    )
    for host in (HOST, b"Host: counts.example\r\n"):
        for method, target, body in asked:
            answer = await rig.ask(method, target, body, headers=host + PAGE)
            assert answer.status == 200, answer.body
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers
    assert rig.backend.values == {b"a": 4, b"a/b": 2}


async def test_a_page_may_read_why_it_was_refused(rig: Rig) -> None:
    answer = await rig.ask("POST", "/v1/counters/a", b'{"by": 0}', headers=HOST + PAGE)
    assert (answer.status, answer.code) == (400, "bad_amount")
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_whoever_is_no_page_is_not_told_about_pages(rig: Rig) -> None:
    answer = await rig.ask("GET", "/v1/counters/a")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_browser_that_asks_first_is_told_what_is_open(rig: Rig) -> None:
    asks = HOST + PAGE + b"Access-Control-Request-Method: POST\r\n"
    answer = await rig.ask("OPTIONS", "/v1/counters/a", headers=asks)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert "Content-Type" in answer.headers["access-control-allow-headers"]
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_a_preflight_never_names_what_is_shut(rig: Rig) -> None:
    client = await rig.connect()
    for route in SHUT:
        answer = await client.ask("OPTIONS", path_of(route))
        allowed = answer.headers.get("access-control-allow-methods", "")
        assert route.method not in allowed.split(", ")
