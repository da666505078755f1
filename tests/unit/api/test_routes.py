"""The table: each route answers, is documented, and nothing else is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gcounterd.api.routes import ROUTES
from gcounterd.api.routing import Route
from tests.unit.api.http_rig import HOST, running

BODIES = {
    ("PUT", "/v1/counters/{key}/share"): b'{"at_least": 1}',
    ("POST", "/v1/counters"): b'{"counts": {"a": 1}}',
    ("POST", "/config"): b'{"actors": []}',
    ("POST", "/counter/{name}"): b"1",
    ("POST", "/v1/cluster/nodes"): b'{"name": "n4"}',
    ("POST", "/v1/admin/backup"): b'{"path": "/tmp/copy"}',
    ("POST", "/v1/imports"): b'{"a": 1}',
    ("POST", "/v1/start-at/{key}"): b'{"value": 1}',
    ("POST", "/v1/text"): b"one word",
    ("POST", "/keywords"): b"one word",
}
QUERIES = {
    ("POST", "/v1/imports"): "?source=a",
    ("GET", "/hit/{ns}"): "?url=a",
    ("POST", "/hit/{ns}"): "?url=a",
    ("GET", "/get/{ns}"): "?url=a",
    ("GET", "/v1/text"): "?word=a",
    ("GET", "/v1/stream"): "?key=a",
}


def target_of(route: Route) -> str:
    path = (
        route.pattern.replace("/page/{name}", "/page/merge.js")
        .replace("{key}", "a")
        .replace("{name}", "a")
        .replace("{names}", "a")
    )
    path = path.replace("{ns}", "a")
    return path + QUERIES.get((route.method, route.pattern), "")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
async def test_each_route_answers_as_documented(tmp_path: Path, route: Route) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        body = BODIES.get((route.method, route.pattern), b"")
        answer = await client.ask(route.method, target_of(route), body)
        assert answer.status in route.answers, answer.body
        _, kind, schema = route.answers[answer.status]
        assert answer.headers["content-type"].partition(";")[0] == kind
        if kind == "application/json" and schema["type"] == "array":
            assert isinstance(answer.json, list)
        elif kind == "application/json":
            assert isinstance(answer.json, dict)
            assert set(schema.get("required", ())) <= answer.json.keys()  # type: ignore[call-overload]
        if route.slash:
            again = await client.ask(route.method, target_of(route) + "/", body)
            assert again.status == answer.status


async def test_the_description_shows_every_route_and_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        document = json.loads((await rig.ask("GET", "/openapi.json")).body)
    assert document["openapi"].startswith("3.1.")
    shown = {
        (method.upper(), pattern): operation
        for pattern, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert shown.keys() == {(route.method, route.pattern) for route in ROUTES}
    for route in ROUTES:
        operation = shown[route.method, route.pattern]
        assert operation["summary"] == route.summary
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        assert names == [parameter.name for parameter in route.parameters]
        assert set(operation["responses"]) == {str(s) for s in route.answers} | {"default"}
    ids = [operation["operationId"] for operation in shown.values()]
    assert len(ids) == len(set(ids))


def test_each_path_parameter_is_declared() -> None:
    for route in ROUTES:
        declared = {p.name for p in route.parameters if p.where == "path"}
        written = set(re.findall(r"\{(\w+)\}", route.pattern))
        assert declared == written, route.pattern


def test_each_route_can_be_answered() -> None:
    assert all(route.handler is not None or route.plan is not None for route in ROUTES)


@pytest.mark.parametrize(
    "target",
    [
        "/v1",
        "/v1/",
        "/v2/counters",
        "/v1/counters/a/b",
        "/v1/counters/a/share/",
        "//",
        "/PING",
    ],
)
async def test_what_is_not_there_is_a_404_in_json(tmp_path: Path, target: str) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", target)
        assert (answer.status, answer.code) == (404, "no_such_route")


async def test_probes_say_ready_or_why_not(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.notes = ("a disk fills",)
        assert (await rig.ask("GET", "/readyz")).json == {"ready": True, "reasons": []}
        assert (await rig.ask("GET", "/healthz")).json == {
            "ready": True,
            "reasons": [],
            "warnings": ["a disk fills"],
        }
        rig.backend.reasons = ("draining",)
        for target in ("/readyz", "/healthz"):
            answer = await rig.ask("GET", target)
            assert (answer.status, answer.code) == (503, "not_ready")
            assert json.loads(answer.body)["reasons"] == ["draining"]
        assert (await rig.ask("GET", "/livez")).json == {"live": True}
        metrics = await rig.ask("GET", "/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert metrics.body == b"gcounterd_up 1\n"


async def test_only_the_node_that_is_meant_drains(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for verb in ("drain", "undrain"):
            answer = await rig.ask("POST", f"/v1/{verb}?node=another")
            assert (answer.status, answer.code) == (409, "other_node")
        assert not rig.backend.draining
        assert (await rig.ask("POST", f"/v1/drain?node={rig.backend.name}")).status == 200
        assert rig.backend.draining


async def test_a_node_that_only_drains_is_not_ready_and_is_read(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        assert (await client.ask("POST", "/v1/drain")).json == {"draining": True}
        assert (await client.ask("GET", "/readyz")).code == "not_ready"
        for target in ("/v1/counters/a", "/v1/counters", "/v1/top", "/counter/a/value"):
            assert (await client.ask("GET", target)).status == 200
        rig.backend.reasons = ("starting",)
        assert (await client.ask("GET", "/v1/counters/a")).code == "not_ready"
        rig.backend.reasons = ()
        assert (await client.ask("POST", "/v1/undrain")).json == {"draining": False}
        assert (await client.ask("GET", "/readyz")).status == 200


async def test_the_challenge_is_answered_in_plain_decimals(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        assert (await client.ask("GET", "/ping")).body == b"OK\n"
        assert (await client.ask("POST", "/counter/hits", b"5")).body == b"5"
        assert (await client.ask("POST", "/counter/hits/", b" 7\n")).body == b"12"
        # The challenge counts non-negative integers: nothing is added, nothing is wrong.
        assert (await client.ask("POST", "/counter/hits", b"0")).body == b"12"
        assert rig.backend.commits == 2
        for path in ("value", "value/", "consistent_value", "consistent_value/"):
            answer = await client.ask("GET", f"/counter/hits/{path}")
            assert answer.body == b"12"
            assert answer.headers["content-type"].startswith("text/plain")
        assert (await client.ask("GET", "/counter/never/value")).body == b"0"
        rig.backend.missing = ("n2",)
        answer = await client.ask("GET", "/counter/hits/consistent_value")
        assert (answer.status, answer.code) == (503, "not_exact")
        shape = json.loads(answer.body)
        assert (shape["missing"], shape["best"]) == (["n2"], 12)


@pytest.mark.parametrize("body", [b"", b"-1", b"1.5", b"x", b"2147483649", b"1e3", b"9" * 100])
async def test_the_challenge_counts_integers_only(tmp_path: Path, body: bytes) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", "/counter/a", body)
        assert (answer.status, answer.code) == (400, "bad_amount")
        assert not rig.backend.pending


async def test_a_config_joins_its_actors(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        body = json.dumps({"actors": ["10.0.0.1", "host-b:7001", "[::2]:7002", "::3"]}).encode()
        actors = ["10.0.0.1:7700", "host-b:7001", "[::2]:7002", "[::3]:7700"]
        for missing in ((), ("host-b:7001",)):
            rig.backend.missing = missing
            answer = await rig.ask("POST", "/config?timeout=0.1", body)
            assert answer.status == 200
            assert answer.json == {"actors": actors, "waiting_for": list(missing)}
        assert rig.backend.joined == actors


@pytest.mark.parametrize(
    "actors", ["5", '"a"', "[5]", '[""]', '["a:0"]', '["a:65536"]', '["a b"]', '["http://a"]', "{}"]
)
async def test_a_config_that_names_no_hosts_is_refused(tmp_path: Path, actors: str) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", "/config", b'{"actors": %b}' % actors.encode())
        assert (answer.status, answer.code) == (400, "bad_actors")
        assert rig.backend.joined == []


async def test_admin_verbs_are_offered_on_loopback_behind_the_guard(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert (await rig.ask("POST", "/v1/admin/verify")).json == {
            "ok": True,
            "problems": [],
            "checked": {"counters": 0},
        }
        foreign = await rig.ask("POST", "/v1/admin/verify", headers=b"Host: example.com\r\n")
        assert foreign.status == 421
        page = HOST + b"Origin: http://example.com\r\n"
        assert (await rig.ask("POST", "/v1/admin/verify", headers=page)).status == 403


@pytest.mark.parametrize("path", ['""', '"copy"', "5", '"/a\\u0000b"', '"/\\ud800"', "null"])
async def test_a_backup_goes_to_an_absolute_path(tmp_path: Path, path: str) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", "/v1/admin/backup", b'{"path": %b}' % path.encode())
        assert (answer.status, answer.code) == (400, "bad_path")
