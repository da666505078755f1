"""Reads that promise something: exact ones, ones with a floor, and both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.api.http_rig import running


async def test_a_consistent_read_is_exact_or_names_who_is_missing(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a"] = 7
        exact = await rig.ask("GET", "/v1/counters/a?consistency=consistent&timeout=0.5")
        assert exact.json == {"key": "a", "value": 7}
        rig.backend.missing = ("n2", "n3")
        answer = await rig.ask("GET", "/v1/counters/a?consistency=consistent")
        assert (answer.status, answer.code) == (503, "not_exact")
        shape = json.loads(answer.body)
        assert (shape["missing"], shape["best"]) == (["n2", "n3"], 7)
        assert answer.headers["retry-after"] == "1"


async def test_a_read_with_a_floor_waits_for_it_or_tells_the_best(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a"] = 7
        there = await rig.ask("GET", "/v1/counters/a?min=7")
        assert there.json == {"key": "a", "value": 7}
        assert rig.backend.patience == []
        rig.backend.reachable = 9
        waited = await rig.ask("GET", "/v1/counters/a?min=9&timeout=0.5&as=string")
        assert waited.json == {"key": "a", "value": "9"}
        assert 0.4 < rig.backend.patience[0] <= 0.5
        refused = await rig.ask("GET", "/v1/counters/a?min=10&by_node=true&as=string")
        assert (refused.status, refused.code) == (503, "not_reached")
        shape = json.loads(refused.body)
        assert (shape["missing"], shape["best"]) == ([], "9")
        assert shape["error"]["definite"] is True


@pytest.mark.parametrize(
    ("missing", "reachable", "code"),
    [((), 9, ""), ((), 8, "not_reached"), (("n2",), 9, "not_exact")],
)
async def test_a_consistent_read_with_a_floor_needs_both(
    tmp_path: Path, missing: tuple[str, ...], reachable: int, code: str
) -> None:
    async with running(tmp_path) as rig:
        rig.backend.missing, rig.backend.reachable = missing, reachable
        for target in (
            "/v1/counters/a?consistency=consistent&min=9",
            "/counter/a/consistent_value?min=9",
        ):
            rig.backend.values[b"a"] = 7
            answer = await rig.ask("GET", target)
            assert answer.status == (503 if code else 200)
            if code:
                assert answer.code == code
                assert json.loads(answer.body)["missing"] == list(missing)


async def test_the_reads_of_the_challenge_take_a_floor(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.reachable = 3
        assert (await rig.ask("GET", "/counter/a/value?min=3")).body == b"3"
        assert (await rig.ask("GET", "/counter/a/value?min=4")).code == "not_reached"
