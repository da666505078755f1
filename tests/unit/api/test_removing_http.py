"""Removing and forgetting nodes over HTTP: what is asked for, and what is refused before that."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcounterd.api.limits import TARGETS_MAX
from gcounterd.counters.batches import KEY_BYTES_MAX
from tests.unit.api.http_rig import HOST, running

PATH = "/v1/cluster/nodes"
PLAIN = {"dead": False, "dry_run": False, "forced": False}


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        ("n3", (["n3"], "", PLAIN)),
        ("n3,n4,n3?into=n2", (["n3", "n4"], "n2", PLAIN)),
        ("n3%2Cn4", (["n3", "n4"], "", PLAIN)),
        ("n3~0a1b2c", (["n3~0a1b2c"], "", PLAIN)),
        ("0" * 32 + "?dead=true", (["0" * 32], "", {**PLAIN, "dead": True})),
        ("n3?dry_run=true&dead=false", (["n3"], "", {**PLAIN, "dry_run": True})),
        ("n3?without_majority=true", (["n3"], "", {**PLAIN, "forced": True})),
    ],
)
async def test_nodes_are_removed_as_asked(
    tmp_path: Path, target: str, asked: tuple[list[str], str, dict[str, bool]]
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("DELETE", f"{PATH}/{target}")
        assert answer.status == 200
        assert isinstance(answer.json, dict)
        assert sorted(answer.json) == ["plan", "removals"]
        assert rig.backend.removed == [asked]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("", "bad_key"),
        (",", "bad_name"),
        ("n3,", "bad_name"),
        ("-n3", "bad_name"),
        ("n3~0A1B2C", "bad_name"),
        ("n3~0a1b2", "bad_name"),
        ("n%203", "bad_name"),
        ("n3?into=", "bad_name"),
        ("n3?into=n1,n2", "bad_name"),
        ("n3?into=n1&into=n2", "bad_parameter"),
        ("n3?into=%ff", "bad_parameter"),
        ("n3?dead", "unsupported"),
        ("n3?dead=yes", "unsupported"),
        ("n3?dead=true&dead=false", "bad_parameter"),
        ("n3?dry-run=true", "unsupported"),
        ("n3?force=true", "unsupported"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_removes_nobody(
    tmp_path: Path, target: str, code: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("DELETE", f"{PATH}/{target}")
        assert (answer.status, answer.code) == (400, code)
        assert rig.backend.removed == []


async def test_so_many_are_removed_at_once_and_no_more(tmp_path: Path) -> None:
    longest = [f"{number:064}~0a1b2c" for number in range(TARGETS_MAX + 1)]
    assert len(",".join(longest[:-1])) <= KEY_BYTES_MAX
    async with running(tmp_path) as rig:
        assert (await rig.ask("DELETE", f"{PATH}/{','.join(longest[:-1])}")).status == 200
        too_many = ",".join(f"n{number}" for number in range(TARGETS_MAX + 1))
        answer = await rig.ask("DELETE", f"{PATH}/{too_many}")
        assert (answer.status, answer.code) == (400, "too_many_nodes")
        assert len(rig.backend.removed) == 1


async def test_a_refusal_is_handed_on(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("DELETE", f"{PATH}/n1")
        assert (answer.status, answer.code) == (409, "removal_last")


async def test_a_node_is_forgotten_by_name_or_id(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for label in ("n3", "ab" * 16):
            answer = await rig.ask("POST", f"{PATH}/{label}/forget")
            assert answer.json == {"released": 1, "removals": []}
        assert (await rig.ask("POST", f"{PATH}/n1/forget")).code == "removal_unfinished"
        assert (await rig.ask("POST", f"{PATH}/n3,n4/forget")).code == "bad_name"


async def test_pages_of_strangers_remove_and_drain_nobody(tmp_path: Path) -> None:
    page = HOST + b"Origin: http://example.com\r\n"
    async with running(tmp_path) as rig:
        assert (await rig.ask("DELETE", f"{PATH}/n3", headers=page)).status == 403
        for target in (f"{PATH}/n3/forget", "/v1/drain", "/v1/undrain"):
            assert (await rig.ask("POST", target, headers=page)).status == 403
        assert rig.backend.removed == []
        assert not rig.backend.draining
