"""Pages that count with CountAPI's requests: what counts, and in which shape it is answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from http_rig import HOST, Rig, running

from gcounterd.api.countapi import CALLBACK_CHARS_MAX, PIXEL
from gcounterd.errors import ClientError


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as running_rig:
        yield running_rig


async def test_a_hit_counts_and_a_get_reads(rig: Rig) -> None:
    assert (await rig.ask("GET", "/get/site/visits")).json == {"value": 0}
    for value in (1, 2):
        answer = await rig.ask("GET", "/hit/site/visits")
        assert (answer.status, answer.json) == (200, {"value": value})
    assert (await rig.ask("POST", "/hit/site/visits", b"any\xffthing")).json == {"value": 3}
    assert (await rig.ask("GET", "/get/site/visits?as=string")).json == {"value": "3"}
    info = await rig.ask("GET", "/info/site/visits")
    assert info.json == {"namespace": "site", "key": "visits", "value": 3}
    assert rig.backend.values == {b"site/visits": 3}
    assert info.headers["cache-control"] == "no-store"
    assert info.headers["x-content-type-options"] == "nosniff"


async def test_the_counter_is_one_like_any_other(rig: Rig) -> None:
    await rig.ask("GET", "/hit/site/visits")
    assert (await rig.ask("GET", "/v1/counters/site%2Fvisits")).json == {
        "key": "site/visits",
        "value": 1,
    }


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/hit/a%2Fb/c", b"a/b/c"),
        ("/hit/a/b%2fc", b"a/b/c"),
        ("/hit/a+b/c%2B", b"a+b/c+"),
        ("/hit/a/%2525", b"a/%25"),
        ("/hit/%C3%A9/x", "é/x".encode()),
    ],
)
async def test_names_are_split_raw_and_decoded_once(rig: Rig, path: str, key: bytes) -> None:
    assert (await rig.ask("GET", path)).json == {"value": 1}
    assert rig.backend.values == {key: 1}


async def test_what_is_no_visit_reads(rig: Rig) -> None:
    await rig.ask("GET", "/hit/a/b")
    client = await rig.connect()
    assert (await client.ask("HEAD", "/hit/a/b")).status == 200
    for line in (b"Purpose: prefetch", b"Sec-Purpose: prefetch;prerender", b"X-Moz: prefetch"):
        assert (await client.ask("GET", "/hit/a/b", headers=HOST + line + b"\r\n")).json == {
            "value": 1
        }
    crawler = HOST + b"User-Agent: Googlebot/2.1\r\n"
    ignored = await client.ask("GET", "/hit/a/b?bots=ignore", headers=crawler)
    assert ignored.json == {"value": 1}
    assert (await client.ask("GET", "/hit/a/b", headers=crawler)).json == {"value": 2}
    rig.backend.reasons = ("starting",)
    assert (await client.ask("HEAD", "/hit/a/b")).status == 503


BROWSER = HOST + b"User-Agent: Mozilla/5.0\r\nReferer: https://example.org/a\r\n"


@pytest.mark.parametrize("headers", [HOST, BROWSER])
async def test_a_visit_by_its_bytes_is_answered_like_any_other(rig: Rig, headers: bytes) -> None:
    client = await rig.connect()
    answers = [await client.ask("GET", "/hit/a/b", headers=headers) for _ in range(3)]
    # What asks for more than its line goes to a task.
    slow = await client.ask("GET", "/hit/a/b", headers=headers + b"If-None-Match: x\r\n")
    assert [answer.json for answer in answers] == [{"value": n} for n in (1, 2, 3)]
    assert slow.json == {"value": 4}
    for answer in answers:
        assert (answer.status, list(answer.headers.items())) == (200, list(slow.headers.items()))
    rig.backend.fail_with = ClientError(507, "disk_full", "full")
    failed = await client.ask("GET", "/hit/a/b", headers=headers)
    rig.backend.fail_with = ClientError(507, "disk_full", "full")
    slow = await client.ask("GET", "/hit/a/b", headers=headers + b"If-None-Match: x\r\n")
    assert (failed.status, failed.json) == (slow.status, slow.json) == (507, failed.json)
    assert list(failed.headers.items()) == list(slow.headers.items())


async def test_a_head_that_a_counter_came_with_does_not_make_a_prefetch_a_visit(rig: Rig) -> None:
    client = await rig.connect()
    early = HOST + b"Sec-Purpose: prefetch\r\n"
    await client.ask("POST", "/v1/counters/x", headers=early)
    assert (await client.ask("GET", "/hit/a/b", headers=early)).json == {"value": 0}
    assert (await client.ask("HEAD", "/hit/a/b", headers=HOST)).status == 200
    assert (await client.ask("GET", "/hit/a/b", headers=HOST)).json == {"value": 1}
    assert (await client.ask("HEAD", "/hit/a/b", headers=HOST)).status == 200
    assert (await client.ask("GET", "/hit/a/b?img", headers=HOST)).status == 200
    assert rig.backend.values == {b"x": 1, b"a/b": 2}


async def test_a_script_is_called_with_the_value(rig: Rig) -> None:
    answer = await rig.ask("GET", "/hit/a/b?callback=site.show$&_=17")
    assert answer.body == b'/**/site.show$({"code":200,"value":1});'
    assert answer.headers["content-type"] == "application/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


async def test_a_script_learns_of_a_failure_too(rig: Rig) -> None:
    rig.backend.fail_with = ClientError(503, "storage_failed", "no", definite=False)
    answer = await rig.ask("GET", "/hit/a/b?callback=f")
    assert answer.status == 200
    told = json.loads(answer.body.removeprefix(b"/**/f(").removesuffix(b");"))
    assert (told["code"], told["error"]["code"]) == (503, "storage_failed")
    rig.backend.reasons = ("starting",)
    assert b'"code":503' in (await rig.ask("GET", "/get/a/b?callback=f")).body


@pytest.mark.parametrize(
    "name",
    ["alert(1)", "a;b", "1a", "a.", ".a", "a..b", "a%0A", "%C3%A9", "a" * (CALLBACK_CHARS_MAX + 1)],
)
async def test_a_callback_is_a_name_or_nothing_counts(rig: Rig, name: str) -> None:
    answer = await rig.ask("GET", f"/hit/a/b?callback={name}")
    assert (answer.status, answer.code) == (400, "bad_callback")
    assert rig.backend.values == {}


async def test_an_image_counts(rig: Rig) -> None:
    answer = await rig.ask("GET", "/hit/a/b?img")
    assert (answer.status, answer.body) == (200, PIXEL)
    assert answer.headers["content-type"] == "image/gif"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert rig.backend.values == {b"a/b": 1}
    both = await rig.ask("GET", "/hit/a/b?img&callback=f")
    assert (both.status, both.code) == (400, "bad_parameter")


async def test_a_page_is_counted_under_its_address(rig: Rig) -> None:
    page = "url=https%3A%2F%2Fwww.example.org%2Fabout%2F%3Fx%3D1"
    assert (await rig.ask("GET", f"/hit/blog?{page}")).json == {"value": 1}
    referred = HOST + b"Referer: https://example.org/about\r\n"
    assert (await rig.ask("POST", "/hit/blog", headers=referred)).json == {"value": 2}
    assert (await rig.ask("GET", f"/get/blog?{page}")).json == {"value": 2}
    assert rig.backend.values == {b"blog/example.org/about": 2}
    unknown = await rig.ask("GET", "/hit/blog")
    assert (unknown.status, unknown.code) == (400, "bad_page")


async def test_a_name_that_is_too_long_in_all_is_refused(rig: Rig) -> None:
    answer = await rig.ask("GET", f"/hit/{'a' * 1000}/{'b' * 24}")
    assert (answer.status, answer.code) == (400, "bad_key")
    assert rig.backend.values == {}
