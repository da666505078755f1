"""Approving a newcomer over HTTP: what is asked for, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcounterd.api.limits import TTL_DEFAULT_S, TTL_MAX_S, TTL_MIN_S
from tests.unit.api.http_rig import HOST, running

PATH = "/v1/cluster/nodes"


def body(**values: object) -> bytes:
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("asked", "approved"),
    [
        ({"name": "n4"}, ("n4", "", TTL_DEFAULT_S)),
        ({"name": "n4", "address": None}, ("n4", "", TTL_DEFAULT_S)),
        (
            {"name": "n4", "address": "10.0.0.4", "ttl_s": TTL_MIN_S},
            ("n4", "10.0.0.4:7700", TTL_MIN_S),
        ),
        ({"ttl_s": TTL_MAX_S, "address": "[::1]:7", "name": "x"}, ("x", "[::1]:7", TTL_MAX_S)),
    ],
)
async def test_a_newcomer_is_approved(
    tmp_path: Path, asked: dict[str, object], approved: tuple[str, str, int]
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", PATH, body(**asked))
        assert answer.status == 200
        assert isinstance(answer.json, dict)
        names = ["admission", "command", "expires", "join", "name", "token"]
        assert sorted(answer.json) == names
        assert rig.backend.approved == [approved]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "bad_body"),
        ({"name": "n4", "adress": "a"}, "bad_body"),
        ({"address": "a"}, "bad_body"),
        ({"name": "-n"}, "bad_name"),
        ({"name": "n" * 65}, "bad_name"),
        ({"name": "n4\n"}, "bad_name"),
        ({"name": 4}, "bad_name"),
        ({"name": "n4", "address": "a:0"}, "bad_address"),
        ({"name": "n4", "address": "a; rm"}, "bad_address"),
        ({"name": "n4", "address": 7700}, "bad_address"),
        ({"name": "n4", "ttl_s": TTL_MIN_S - 1}, "bad_ttl"),
        ({"name": "n4", "ttl_s": TTL_MAX_S + 1}, "bad_ttl"),
        ({"name": "n4", "ttl_s": True}, "bad_ttl"),
        ({"name": "n4", "ttl_s": "60"}, "bad_ttl"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_approves_nobody(
    tmp_path: Path, asked: dict[str, object], code: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", PATH, body(**asked))
        assert (answer.status, answer.code) == (400, code)
        assert rig.backend.approved == []


async def test_a_name_in_use_is_refused_with_its_holder(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", PATH, body(name="n1"))
        assert (answer.status, answer.code) == (409, "name_in_use")
        assert isinstance(answer.json, dict)
        assert answer.json["holder"] == {"id": "00", "name": "n1", "address": "127.0.0.1:7700"}


async def test_pages_of_strangers_approve_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        page = HOST + b"Origin: http://example.com\r\n"
        assert (await rig.ask("POST", PATH, body(name="n4"), headers=page)).status == 403
        assert rig.backend.approved == []
