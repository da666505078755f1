"""The dashboard: whole without a script, and safe whatever names say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

from gcounterd.api.dashboard import COLUMNS_MAX, lock, render
from gcounterd.api.static import files
from tests.unit.api.http_rig import running
from tests.unit.api.memory_backend import MemoryBackend

# What a slow line takes in a second; nothing of it is packed.
FIRST_PAINT_BYTES_MAX = 50_000


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
    found = {"id": f"id-{name}", "name": name, "liveness": liveness, "roster": "active"}
    return {**found, "address": "h:1", "epoch": "0123456789abcdef", "page": None, **more}


async def test_it_shows_the_cluster_without_a_script(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values.update({b"views": 1_234_567, b"other": 3})
        rig.backend.seen |= {
            "cluster": "demo",
            "id": "id-n1",
            "liveness": {"alive": 2, "dead": 1},
            "nodes": [node("n3", "dead"), node("n1"), node("n2")],
            "removals": [{"node": "n9", "phase": "closing", "waiting_for": [{"node": "n3"}]}],
        }
        rig.backend.pulse |= {
            "total": str(2**60),
            "words": "n3 not heard for 12 s: its counts are unknown since.",
            "level": "unknown",
            "sums": {"id-n1": "1234570"},
            "behind": {"id-n2": 1.8},
        }
        answer = await rig.ask("GET", "/")
        page = Page(answer.body.decode())
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        for words in (
            "demo",
            "n3 not heard for 12 s",
            "1,234,567",
            "1,152,921,504,606,846,976",
            "2 alive, 1 dead",
            "1.8 s",
            "n9: closing, waits for n3",
        ):
            assert words in page.text
        assert page.text.index("n3") < page.text.index("n1 (this node)")
        assert "<!--" not in answer.body.decode()
        bare = Page((await rig.ask("GET", "/?top=0")).body.decode())
        assert "1,234,567" not in bare.text


async def test_it_may_count_where_the_operator_has_said_that_nodes_are(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.seen["nodes"] = [node("n1"), node("n2", page="http://127.0.0.1:7782")]
        policy = (await rig.ask("GET", "/")).headers["content-security-policy"]
        assert "; connect-src 'self' http://127.0.0.1:7782; " in policy


def test_nodes_that_are_too_many_for_columns_are_one() -> None:
    counts = [(b"x", 100, {f"n{n}": n for n in range(1, 13)})]
    seen = {"cluster": MemoryBackend().seen, "pulse": MemoryBackend().pulse}
    seen["cluster"] |= {"self": "n1", "nodes": [node(f"n{n}") for n in range(1, 13)]}
    text = render(seen, counts).body.decode()
    heads = re.findall(r'<th scope="col" class="n">([^<]*)</th>', text)
    assert heads[-1] == "others"
    assert len(heads) == len(["Counted", "Per second", "Value"]) + COLUMNS_MAX
    cells = [int(n) for n in re.findall(r'<td class="n">(\d+)</td>', text.split("top-rows")[1])]
    assert cells[0] == 100 == sum(cells[1:])


async def test_nothing_but_our_own_files_is_loaded_and_they_are_small(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.backend.values.update({b"a counter with a name/%d" % n: 10**n for n in range(12)})
        rig.backend.seen["nodes"] = [node(f"n{n}") for n in range(5)]
        answer = await rig.ask("GET", "/")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        page = Page(answer.body.decode())
        loaded = [str(a["href"]) for tag, a in page.tags if tag == "link" and a["rel"] != "icon"]
        loaded += page.all("src")
        assert loaded == ["page/dashboard.css", "page/dashboard.js"]
        wire = len(answer.body)
        for name in loaded:  # what scripts import is added to the list as it is met
            found = await rig.ask("GET", f"/{name}")
            assert found.status == 200
            wire += len(found.body)
            parts = re.findall(r'^import .* from "\./([a-z-]+\.js)";$', found.body.decode(), re.M)
            loaded += [each for part in parts if (each := f"page/{part}") not in loaded]
        assert "page/dashboard-view.js" in loaded
        assert wire <= FIRST_PAINT_BYTES_MAX, f"{wire:,} bytes in {len(loaded)} files"
        assert not page.all("style")
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


async def test_names_are_text_whatever_they_say(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    async with running(tmp_path) as rig:
        rig.backend.values[bad.encode()] = 1
        rig.backend.values[b"<!-- nodes -->"] = 2
        bads = {"cluster": bad, "reasons": [bad], "ready": False}
        bads["nodes"] = [node(bad, '"><b>', address=bad, roster=bad, epoch=bad, id=bad)]
        bads["removals"] = [{"node": bad, "phase": bad, "waiting_for": [{"node": bad}]}]
        rig.backend.seen |= bads
        rig.backend.pulse |= {"words": bad, "level": '"><b>'}
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
    assert all(b <= a + 1 for a, b in pairwise(headings))
    targets = [str(a["href"])[1:] for tag, a in page.tags if tag == "a"]
    assert set(targets) <= set(ids)


def test_who_has_no_token_is_shown_nothing_and_asked_for_one() -> None:
    answer = lock()
    page = Page(answer.body.decode())
    assert "token" in page.all("id")
    assert not re.search("[0-9]", re.sub(r"<[^>]*>", "", answer.body.decode()))
    assert b"connect-src 'self';" in dict(answer.headers)[b"Content-Security-Policy"]
