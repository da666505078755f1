"""`GET /v1/events`: what is asked of the node, and what is refused before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.api.http_rig import running

LIFE = "ab" * 16


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", (0, "", 100, 0)),
        (f"?after=7&life={LIFE}&limit=256&timeout=60", (7, LIFE, 256, 60)),
        ("?after=9007199254740992&timeout=0.5&limit=1", (2**53, "", 1, 0.5)),
    ],
)
async def test_a_reader_says_where_it_is_and_how_long_it_waits(
    tmp_path: Path, query: str, asked: tuple[object, ...]
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", f"/v1/events{query}")
        assert rig.backend.asked_for == asked
        assert answer.json == {"node": "n1", "life": "11" * 16, "events": [], "next": asked[0]}


@pytest.mark.parametrize(
    "query",
    [
        "after=-1", "after=x", "after=9007199254740993", "after=1&after=2", "limit=0", "limit=257",
        "timeout=61", "timeout=-1", "timeout=x", "life=%ff",
    ],
)  # fmt: skip
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", f"/v1/events?{query}")
        assert (answer.status, answer.code) == (400, "bad_parameter")
        assert rig.backend.asked_for is None
