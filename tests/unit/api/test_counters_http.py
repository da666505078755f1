"""The routes of counters, over real sockets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gcounterd.errors import ClientError, StorageError
from tests.unit.api.http_rig import HOST, path_of, running

AMOUNT_MAX = 2**31


async def test_an_increment_answers_the_value_after_it(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert (await rig.ask("POST", "/v1/counters/a")).json == {"key": "a", "value": 1}
        assert (await rig.ask("POST", "/v1/counters/a", b'{"by": 41}')).json == {
            "key": "a",
            "value": 42,
        }
        answer = await rig.ask("GET", "/v1/counters/a")
        assert answer.json == {"key": "a", "value": 42}
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"


async def test_an_unknown_counter_is_zero(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert (await rig.ask("GET", "/v1/counters/never")).json == {"key": "never", "value": 0}


@pytest.mark.parametrize(
    "key",
    [
        "a/b",
        "a b",
        "ä",
        "🐌",
        "a+b",
        "%",
        "%2F",
        '"',
        "\\",
        "\n",
        "\0",
        "share",
        "x" * 1024,
        "?#&=",
    ],
)
async def test_a_key_comes_back_as_it_was_written(tmp_path: Path, key: str) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", path_of(key))
        assert answer.json == {"key": key, "value": 1}
        assert rig.backend.values == {key.encode(): 1}
        assert (await rig.ask("GET", path_of(key))).json == {"key": key, "value": 1}
        listed = await rig.ask("GET", "/v1/counters?key=" + path_of(key)[13:])
        assert listed.json == {"counters": [{"key": key, "value": 1}], "next": None}


async def test_a_plus_is_a_plus_in_paths_and_in_queries(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.ask("POST", "/v1/counters/a+b")
        assert rig.backend.values == {b"a+b": 1}
        listed = await rig.ask("GET", "/v1/counters?key=a+b")
        assert listed.json == {"counters": [{"key": "a+b", "value": 1}], "next": None}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/counters/", "bad_key"),
        ("/v1/counters/" + "x" * 1025, "bad_key"),
        ("/v1/counters/" + "%C3%A4" * 513, "bad_key"),
        ("/v1/counters/%FF", "bad_key"),
        ("/v1/counters/%ED%A0%80", "bad_key"),
        ("/v1/counters/%zz", "bad_escape"),
        ("/v1/counters/%4", "bad_escape"),
        ("/v1/counters/a%", "bad_escape"),
    ],
)
async def test_a_bad_key_is_refused(tmp_path: Path, path: str, code: str) -> None:
    async with running(tmp_path) as rig:
        for method in ("POST", "GET"):
            answer = await rig.ask(method, path)
            assert (answer.status, answer.code) == (400, code)
        assert not rig.backend.pending
        assert rig.backend.events[f"http_{code}"] == 2


BAD_AMOUNTS = [
    b"0", b"-1", b"2147483649", b"1.5", b"true", b'"1"', b"NaN", b"1e3", b"null", b"[]", b"{}",
    b"1.0", b"Infinity", b"-Infinity", b"1e400", b"9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("amount", BAD_AMOUNTS)
async def test_a_bad_amount_is_refused_and_counts_nothing(tmp_path: Path, amount: bytes) -> None:
    async with running(tmp_path) as rig:
        one = await rig.ask("POST", "/v1/counters/a", b'{"by": %b}' % amount)
        assert (one.status, one.code) == (400, "bad_amount")
        many = await rig.ask("POST", "/v1/counters", b'{"counts": {"b": 1, "a": %b}}' % amount)
        assert (many.status, many.code) == (400, "bad_amount")
        assert json.loads(one.body)["error"]["definite"] is True
        assert not rig.backend.pending
        assert rig.backend.values == {}


async def test_the_largest_amount_is_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", "/v1/counters/a", b'{"by": %d}' % AMOUNT_MAX)
        assert answer.json == {"key": "a", "value": AMOUNT_MAX}
        many = await rig.ask("POST", "/v1/counters", b'{"counts": {"a": %d}}' % AMOUNT_MAX)
        assert many.json == {"values": {"a": 2 * AMOUNT_MAX}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "bad_json"),
        (b"x", "bad_json"),
        (b"\xff", "bad_json"),
        (b'\xef\xbb\xbf{"by":1}', "bad_json"),
        (b'{"by":1}x', "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"a":' * 5_000, "bad_json"),
        (b"[" + b"0," * 20_000 + b"0]", "bad_json"),
        (b"1" * 5000, "bad_body"),
        (b"[]", "bad_body"),
        (b"5", "bad_body"),
        (b"{}", "bad_body"),
        (b'{"by":1,"to":2}', "bad_body"),
        (b'{"by":1,"by":2}', "duplicate_key"),
    ],
)
async def test_a_body_that_is_not_as_asked_is_refused(
    tmp_path: Path, body: bytes, code: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", "/v1/counters/a", body)
        assert (answer.status, answer.code) == (400, code)
        assert not rig.backend.pending


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{}", "bad_body"),
        (b'{"counts":5}', "bad_body"),
        (b'{"counts":{}} x', "bad_body"),
        (b'{"counts":{"a":1},"x":1}', "bad_body"),
        (b'{"counts":{"a":1}', "bad_body"),
        (b'{"counts":{"a":1,}}', "bad_json"),
        (b'{"counts":{a:1}}', "bad_json"),
        (b'{"counts":{"a":}}', "bad_json"),
        (b'{"counts":{"a" 1}}', "bad_json"),
        (b'{"counts":{"a":1 "b":1}}', "bad_json"),
        (b'{"counts":{"a\\x":1}}', "bad_json"),
        (b'{"counts":{"a\n":1}}', "bad_json"),
        (b'{"counts":{"a":1,"a":2}}', "duplicate_key"),
        (b'{"counts":{"a":1,"\\u0061":2}}', "duplicate_key"),
        (b'{"counts":{"":1}}', "bad_key"),
        (b'{"counts":{"\\ud800":1}}', "bad_key"),
        (b'{"counts":{"%b":1}}' % (b"x" * 1025), "bad_key"),
        (b'{"counts":{"a":007}}', "bad_amount"),
        (b'{"counts":{%b}}' % b",".join(b'"%d":1' % n for n in range(10_001)), "too_many_keys"),
    ],
)
async def test_counts_that_are_not_as_asked_are_refused(
    tmp_path: Path, body: bytes, code: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("POST", "/v1/counters", body)
        assert (answer.status, answer.code) == (400, code)
        assert not rig.backend.pending


async def test_many_counters_are_counted_in_one_commit(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        counts = {f"käy/{n}\n": n + 1 for n in range(10_000)}
        body = json.dumps({"counts": counts}).encode()
        assert (await rig.ask("POST", "/v1/counters", body)).json == {"values": counts}
        assert rig.backend.commits == 1
        empty = await rig.ask("POST", "/v1/counters", b' {\t"counts" : { } }\n')
        assert empty.json == {"values": {}}


async def test_many_counters_are_counted_all_or_none(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"full"] = 2**53
        answer = await rig.ask("POST", "/v1/counters", b'{"counts": {"a": 1, "full": 1}}')
        assert (answer.status, answer.code) == (409, "too_large")
        assert rig.backend.values == {b"full": 2**53}


async def test_numbers_come_as_strings_when_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a"] = 2**53 - 1
        full = str(2**53)
        assert (await rig.ask("POST", "/v1/counters/a?as=string")).json == {
            "key": "a",
            "value": full,
        }
        assert (await rig.ask("GET", "/v1/counters/a?as=string&by_node=true")).json == {
            "key": "a",
            "value": full,
            "by_node": {"n1": full},
        }
        listed = {"counters": [{"key": "a", "value": full}], "next": None}
        assert (await rig.ask("GET", "/v1/counters?key=a&as=string")).json == listed
        assert (await rig.ask("GET", "/v1/top?as=string")).json == listed
        share = await rig.ask("GET", "/v1/counters/a/share?as=string")
        assert share.json == {"key": "a", "share": full}
        many = await rig.ask("POST", "/v1/counters?as=string", b'{"counts": {"b": 1}}')
        assert many.json == {"values": {"b": "1"}}


async def test_a_node_that_is_not_ready_is_read_only_as_stale(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"a"] = 7
        rig.backend.reasons = ("waiting for n2",)
        for target in (
            "/v1/counters/a",
            "/v1/counters/a?as=string",
            "/v1/counters/a?by_node=true",
            "/v1/counters/a?consistency=consistent",
            "/v1/counters/a/share",
            "/v1/counters?key=a",
            "/v1/counters?prefix=a",
            "/v1/top",
            "/counter/a/value",
            "/counter/a/consistent_value",
        ):
            answer = await rig.ask("GET", target)
            assert (answer.status, answer.code) == (503, "not_ready"), target
            assert json.loads(answer.body)["reasons"] == ["waiting for n2"]
        for target in (
            "/v1/counters/a?stale=ok",
            "/v1/counters?key=a&stale=ok",
            "/v1/top?stale=ok",
        ):
            assert (await rig.ask("GET", target)).status == 200, target
        assert (await rig.ask("POST", "/v1/counters/a")).json == {"key": "a", "value": 8}


@pytest.mark.parametrize(
    ("method", "target", "code"),
    [
        ("POST", "/v1/counters/a?ack=most", "unsupported"),
        ("POST", "/v1/counters/a?ack=", "unsupported"),
        ("POST", "/v1/counters/a?min=3", "unsupported"),
        ("GET", "/v1/counters/a?ack=all", "unsupported"),
        ("GET", "/v1/counters/a?min=-1", "bad_parameter"),
        ("GET", "/v1/counters/a?min=9223372036854775808", "bad_parameter"),
        ("GET", "/v1/counters/a?min=", "bad_parameter"),
        ("GET", "/v1/counters?prefix=a&min=3", "unsupported"),
        ("GET", "/v1/counters/a?consistency=strong", "unsupported"),
        ("GET", "/v1/counters/a?consistancy=consistent", "unsupported"),
        ("GET", "/v1/counters/a?as=float", "unsupported"),
        ("GET", "/v1/counters/a?by_node=yes", "unsupported"),
        ("GET", "/v1/counters/a?stale=yes", "unsupported"),
        ("GET", "/v1/counters/a?stale=ok&consistency=consistent", "bad_parameter"),
        ("GET", "/v1/counters/a?as=string&as=string", "bad_parameter"),
        ("GET", "/v1/counters/a?timeout=61", "bad_parameter"),
        ("GET", "/v1/counters/a?timeout=-1", "bad_parameter"),
        ("GET", "/v1/counters/a?timeout=nan", "bad_parameter"),
        ("GET", "/v1/counters/a?timeout=1e1", "bad_parameter"),
        ("GET", "/v1/counters/a?as=%zz", "bad_escape"),
        ("GET", "/v1/counters/a?%FF=1", "bad_parameter"),
        ("GET", "/v1/counters?limit=0", "bad_parameter"),
        ("GET", "/v1/counters?limit=1001", "bad_parameter"),
        ("GET", "/v1/counters?limit=x", "bad_parameter"),
        ("GET", "/v1/counters?key=a&prefix=b", "bad_parameter"),
        ("GET", "/v1/counters?key=", "bad_key"),
        ("GET", "/v1/counters?key=%FF", "bad_key"),
        ("GET", "/v1/counters?prefix=%FF", "bad_parameter"),
        ("GET", "/v1/top?limit=1001", "bad_parameter"),
    ],
)
async def test_a_parameter_is_never_ignored(
    tmp_path: Path, method: str, target: str, code: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask(method, target)
        assert (answer.status, answer.code) == (400, code)
        assert json.loads(answer.body)["error"]["definite"] is True
        assert not rig.backend.pending


@pytest.mark.parametrize("header", [b"Idempotency-Key: x\r\n", b"idempotency-retry: 1\r\n"])
async def test_a_promise_that_cannot_be_kept_is_refused(tmp_path: Path, header: bytes) -> None:
    async with running(tmp_path) as rig:
        client = await rig.connect()
        await client.ask("POST", "/v1/counters/a")
        for method, target in (("PUT", "/v1/counters/a/share"), ("POST", "/config")):
            answer = await client.ask(method, target, headers=HOST + header)
            assert (answer.status, answer.code) == (400, "unsupported")
        assert rig.backend.values == {b"a": 1}


async def test_a_listing_is_paged_in_key_order(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values.update({b"p/%d" % n: n + 1 for n in range(5)} | {b"q": 9})
        first = await rig.ask("GET", "/v1/counters?prefix=p%2F&limit=3")
        assert first.json == {
            "counters": [{"key": f"p/{n}", "value": n + 1} for n in range(3)],
            "next": "p/2",
        }
        second = await rig.ask("GET", "/v1/counters?prefix=p/&after=p/2&limit=3")
        assert second.json == {
            "counters": [{"key": f"p/{n}", "value": n + 1} for n in (3, 4)],
            "next": None,
        }
        top = await rig.ask("GET", "/v1/top?limit=2")
        assert top.json == {
            "counters": [{"key": "q", "value": 9}, {"key": "p/4", "value": 5}],
            "next": None,
        }


async def test_counters_are_read_in_the_order_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values[b"b"] = 2
        answer = await rig.ask("GET", "/v1/counters?key=b&key=a&key=b")
        assert answer.json == {
            "counters": [
                {"key": "b", "value": 2},
                {"key": "a", "value": 0},
                {"key": "b", "value": 2},
            ],
            "next": None,
        }


async def test_a_share_is_raised_and_never_lowered(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        for wanted, shown in ((5, 5), (3, 5), (2**53, 2**53)):
            answer = await rig.ask("PUT", "/v1/counters/a/share", b'{"at_least": %d}' % wanted)
            assert answer.json == {"key": "a", "share": shown}
        for wrong in (b"-1", b"1.5", b"%d" % (2**53 + 1), b"true"):
            answer = await rig.ask("PUT", "/v1/counters/a/share", b'{"at_least": %b}' % wrong)
            assert (answer.status, answer.code) == (400, "bad_amount")


@pytest.mark.parametrize(
    ("error", "status", "code", "definite"),
    [
        (ClientError(507, "disk_full", "no room"), 507, "disk_full", True),
        (ClientError(503, "storage", "lost", definite=False), 503, "storage", False),
        (StorageError("no room", definite=True, full=True), 507, "disk_full", True),
        (StorageError("gone"), 503, "storage", False),
        (ZeroDivisionError(), 500, "internal", False),
    ],
)
async def test_a_failed_commit_says_whether_it_counted(
    tmp_path: Path, error: Exception, status: int, code: str, definite: bool
) -> None:
    async with running(tmp_path) as rig:
        for target, body in (
            ("/v1/counters/a", b""),
            ("/v1/counters/a?as=string", b""),
            ("/v1/counters", b'{"counts": {"a": 1}}'),
            ("/counter/a", b"1"),
        ):
            rig.backend.fail_with = error
            answer = await rig.ask("POST", target, body)
            assert (answer.status, answer.code) == (status, code)
            assert json.loads(answer.body)["error"]["definite"] is definite
        assert (await rig.ask("POST", "/v1/counters/a")).json == {"key": "a", "value": 1}
