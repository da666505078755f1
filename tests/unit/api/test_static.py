"""Static files: from memory, by name, asked again and not sent again."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from gcounterd.api.static import files
from tests.unit.api.http_rig import HOST, running


async def test_a_script_is_asked_for_again_and_sent_once(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        first = await rig.ask("GET", "/gcounter.js")
        assert first.status == 200
        assert first.headers["content-type"] == "text/javascript; charset=utf-8"
        assert first.headers["cache-control"] == "no-cache"
        assert b"./page/element.js" in first.body
        known = b"If-None-Match: %b\r\n" % first.headers["etag"].encode()
        again = await rig.ask("GET", "/gcounter.js", headers=HOST + known)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = await rig.ask("GET", "/page/merge.js", headers=HOST + known)
        assert other.status == 200


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("deflate,gzip , br", True),
        ("gzip;q=0", False),
        ("gzip; q=0.00, br", False),
        ("xgzip", False),
        ("identity", False),
    ],
)
async def test_a_file_is_packed_for_who_can_unpack_it(
    tmp_path: Path, accepts: str, packed: bool
) -> None:
    async with running(tmp_path) as rig:
        plain = await rig.ask("GET", "/page/dashboard.css")
        asked = HOST + f"Accept-Encoding: {accepts}\r\n".encode()
        answer = await rig.ask("GET", "/page/dashboard.css", headers=asked)
        assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert answer.headers["etag"] == plain.headers["etag"]
        assert (answer.headers.get("content-encoding") == "gzip") == packed
        assert (gzip.decompress(answer.body) if packed else answer.body) == plain.body
        assert len(answer.body) < len(plain.body) / 2 or not packed


async def test_a_page_of_another_origin_may_load_them(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        foreign = HOST + b"Origin: https://example.org\r\n"
        answer = await rig.ask("GET", "/page/merge.js", headers=foreign)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("name", ["none.js", "..%2Fapi%2Fstatic.py", "%2E%2E", "__init__.py"])
async def test_what_is_no_file_of_the_folder_is_not_there(tmp_path: Path, name: str) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", f"/page/{name}")
        assert (answer.status, answer.code) == (404, "no_such_route")


def test_every_import_leads_to_a_file_and_nothing_comes_from_elsewhere() -> None:
    scripts = {name: file.body.decode() for name, file in files().items()}
    for name, text in scripts.items():
        for target in re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", text):
            assert target.removeprefix("./page/").removeprefix("./") in scripts, (name, target)
        assert not re.search(r"""["'`]https?://""", text), name
        assert "eval(" not in text
        assert "innerHTML" not in text
