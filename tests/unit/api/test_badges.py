"""Badges: pictures that are well-formed whatever they say, and that nobody keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from http_rig import Rig, running
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.api.badges import LABEL_CHARS_MAX, STYLES, Badge, abbreviate, draw, text_width

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as running_rig:
        running_rig.backend.values = {b"site/visits": 1_234_567}
        yield running_rig


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1234, "1.2k"),
        (9999, "9.9k"),
        (10_000, "10k"),
        (999_999, "999k"),
        (1_000_000, "1M"),
        (3_456_789, "3.4M"),
        (2**53, "9P"),
        (2**63 - 1, "9.2E"),
    ],
)
def test_large_numbers_are_abbreviated_and_never_exaggerated(value: int, shown: str) -> None:
    assert abbreviate(value) == shown


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(STYLES))
def test_a_badge_is_xml_whatever_it_says_and_its_boxes_hold_its_texts(
    label: str, message: str, style: str
) -> None:
    picture = ElementTree.fromstring(draw(Badge(label, message, style=style)))
    shown = [text for text in picture.iter(f"{SVG}text") if "aria-hidden" not in text.attrib]
    lengths = sum(float(text.attrib["textLength"]) for text in shown)
    assert float(picture.attrib["width"]) >= lengths
    if label.isascii() and label.isprintable() and label:
        assert shown[0].text == label


def test_widths_are_those_of_the_font() -> None:
    assert text_width("0123456789") == pytest.approx(69.93, abs=0.01)
    assert text_width("iiii") < text_width("mm")
    assert text_width("数") == 11
    assert text_width("e\u0301") == text_width("e")


async def test_a_badge_shows_the_value_and_does_not_count(rig: Rig) -> None:
    answer = await rig.ask("GET", "/badge/site/visits.svg?label=%3Cviews%3E&color=4c1")
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/svg+xml; charset=utf-8"
    picture = ElementTree.fromstring(answer.body)
    assert picture.attrib["aria-label"] == "<views>: 1,234,567"
    assert b'fill="#4c1"' in answer.body
    assert rig.backend.commits == 0
    short = await rig.ask("GET", "/badge/site/visits.svg?abbreviated=true&style=plastic&label=")
    assert ElementTree.fromstring(short.body).attrib["aria-label"] == "1.2M"


async def test_no_proxy_keeps_a_badge(rig: Rig) -> None:
    for path in ("/badge/site/visits.svg", "/shields/site/visits"):
        answer = await rig.ask("GET", path)
        for word in ("no-cache", "no-store", "max-age=0"):
            assert word in answer.headers["cache-control"]
    picture = await rig.ask("GET", "/badge/site/visits.svg")
    assert picture.headers["expires"].endswith("1970 00:00:00 GMT")
    rig.backend.reasons = ("starting",)
    unready = await rig.ask("GET", "/badge/site/visits.svg")
    assert (unready.status, unready.headers["cache-control"]) == (
        503,
        picture.headers["cache-control"],
    )


async def test_a_shield_is_what_shields_asks_for(rig: Rig) -> None:
    answer = await rig.ask("GET", "/shields/site/visits?label=seen&color=orange&abbreviated=true")
    assert answer.json == {
        "schemaVersion": 1,
        "label": "seen",
        "message": "1.2M",
        "color": "fe7d37",
    }


@pytest.mark.parametrize(
    "query",
    [
        "color=%22/%3E",
        "color=12345",
        "labelColor=url(a)",
        "style=round",
        "abbreviated=1",
        "label=" + "a" * (LABEL_CHARS_MAX + 1),
        "label=a&label=b",
    ],
)
async def test_what_a_badge_cannot_look_like_is_refused(rig: Rig, query: str) -> None:
    assert (await rig.ask("GET", f"/badge/site/visits.svg?{query}")).status == 400


async def test_a_badge_ends_in_svg_and_a_key_may_do_so_too(rig: Rig) -> None:
    assert (await rig.ask("GET", "/badge/site/visits")).code == "no_such_route"
    assert (await rig.ask("GET", "/badge/site/.svg")).code == "bad_key"
    rig.backend.values[b"site/a.svg"] = 5
    assert b"views: 5" in (await rig.ask("GET", "/badge/site/a.svg.svg")).body
