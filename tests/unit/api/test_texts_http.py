"""Texts over HTTP: counted by word, read by word, in two dialects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from http_rig import Rig, running

from gcounterd.api.limits import BODY_BYTES_MAX
from gcounterd.api.words import WORD_BYTES_MAX


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as running_rig:
        yield running_rig


@pytest.mark.parametrize("path", ["/v1/text", "/keywords"])
async def test_each_word_of_a_text_is_a_counter(rig: Rig, path: str) -> None:
    text = f"A cat, a CAT. {'x' * (WORD_BYTES_MAX + 1)}".encode()
    answer = await rig.ask("POST", path, text)
    assert answer.json == {"words": 2, "total": 4, "too_long": 1}
    assert rig.backend.values == {b"words/a": 2, b"words/cat": 2}
    assert rig.backend.commits == 1


async def test_words_are_read_in_any_case_and_unknown_ones_are_0(rig: Rig) -> None:
    await rig.ask("POST", "/v1/text", "Straße, straße".encode())
    answer = await rig.ask("GET", "/v1/text?word=STRASSE&word=c%2B%2B&word=")
    assert answer.json == {
        "counts": [
            {"word": "STRASSE", "count": 2},
            {"word": "c++", "count": 0},
            {"word": "", "count": 0},
        ]
    }
    assert (await rig.ask("GET", "/v1/text")).code == "bad_parameter"
    assert (await rig.ask("GET", "/v1/text?word=%FF")).code == "bad_parameter"


async def test_keywords_are_answered_as_a_list(rig: Rig) -> None:
    await rig.ask("POST", "/keywords", b"foo bar foo")
    answer = await rig.ask("GET", "/keywords?keywords=foo&keywords=none")
    assert answer.json == [{"key": "foo", "count": 2}, {"key": "none", "count": 0}]
    assert (await rig.ask("GET", "/keywords")).json == []


async def test_a_text_larger_than_a_body_is_read_in_pieces(rig: Rig) -> None:
    text = b"word " * (BODY_BYTES_MAX // 4)
    answer = await rig.ask("POST", "/v1/text", text)
    assert answer.json == {"words": 1, "total": BODY_BYTES_MAX // 4, "too_long": 0}


async def test_a_node_that_is_not_ready_reads_no_words(rig: Rig) -> None:
    rig.backend.reasons = ("starting",)
    assert (await rig.ask("GET", "/v1/text?word=a")).code == "not_ready"
    assert (await rig.ask("GET", "/v1/text?word=a&stale=ok")).status == 200
