"""The dashboard: whole without a script, and safe whatever names say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gcounterd.api.dashboard import describe
from gcounterd.api.static import files
from tests.unit.api.http_rig import running


class Page(HTMLParser):
    """What a browser would make of a page: tags with their attributes, ids, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]


def node(name: str, liveness: str = "alive", **more: Any) -> dict[str, Any]:
    found = {"name": name, "liveness": liveness, "since_s": 12.3, "roster": "active"}
    return {**found, "address": "h:1", "columns": 1, **more}


async def test_it_shows_the_cluster_without_a_script(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values.update({b"views": 1_234_567, b"other": 3})
        rig.backend.cluster = lambda: {  # type: ignore[method-assign]
            "cluster": "demo",
            "self": "n1",
            "nodes": [node("n1"), node("n3", "dead"), node("n9", "dead", roster="removed")],
            "removals": [{"node": "n9", "phase": "closing", "waiting_for": ["n3"]}],
        }
        answer = await rig.ask("GET", "/")
        page = Page(answer.body.decode())
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        for words in ("demo", "n3 is dead for 12 s", "1,234,567", "n9: closing, waits for n3"):
            assert words in page.text
        assert page.text.index("n3 is dead") < page.text.index("n1 (this one)")
        assert "<!--" not in answer.body.decode()
        bare = Page((await rig.ask("GET", "/?top=0")).body.decode())
        assert "1,234,567" not in bare.text


async def test_nothing_but_our_own_files_is_loaded(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.ask("GET", "/")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        page = Page(answer.body.decode())
        loaded = [a["href"] for tag, a in page.tags if tag == "link" and a["rel"] != "icon"]
        loaded += page.all("src")
        assert sorted(map(str, loaded)) == ["page/dashboard.css", "page/dashboard.js"]
        wire = len(answer.body)
        for name in map(str, loaded):
            found = await rig.ask("GET", f"/{name}")
            assert found.status == 200
            wire += len(found.body)
        assert wire < 50_000
        assert not page.all("style")
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


async def test_names_are_text_whatever_they_say(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    async with running(tmp_path) as rig:
        rig.backend.values[bad.encode()] = 1
        rig.backend.values[b"<!-- nodes -->"] = 2
        rig.backend.cluster = lambda: {  # type: ignore[method-assign]
            "cluster": bad,
            "self": bad,
            "nodes": [node(bad, '"><b>', address=bad)],
            "removals": [{"node": bad, "phase": bad, "waiting_for": [bad]}],
        }
        page = Page((await rig.ask("GET", "/")).body.decode())
        assert [tag for tag, _ in page.tags].count("script") == 1
        assert "b" not in [tag for tag, _ in page.tags]


def test_its_parts_can_be_found_by_those_who_do_not_see_them() -> None:
    page = Page(files()["dashboard.html"].body.decode())
    assert ("html", {"lang": "en"}) in page.tags
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    for label in page.all("aria-labelledby"):
        assert label in ids
    assert all(a.get("scope") == "col" for tag, a in page.tags if tag == "th")
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert set(headings[1:]) == {2}
    targets = [str(a["href"])[1:] for tag, a in page.tags if tag == "a"]
    assert set(targets) <= set(ids)


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("n1")], "1 node, no others."),
        ([node("n1"), node("n2")], "All 2 nodes answer."),
        ([node("n1", "suspect"), node("n2")], "All 2 nodes answer."),  # itself answers
        ([node("n1"), node("n2", "left", since_s=None)], "1 of 2 nodes do not answer: n2 is left."),
        ([node("n1"), *[node(f"m{n}", "dead") for n in range(12)]], "and 4 more."),
    ],
)
def test_it_says_whose_counts_may_be_missing(nodes: list[dict[str, Any]], words: str) -> None:
    assert words in describe(nodes, "n1")
