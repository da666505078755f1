"""Visitors in a real browser: what they count is shown everywhere, and never less than before."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.browser import dashboards
from tests.browser.pages import (
    VALUE,
    expect_live,
    open_page,
    page_of,
    shown_by,
    streams_of,
)
from tests.browser.stage import Stage
from tests.cluster.programs import find_program

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# An error of the balancer's own has no word on other origins, so the page cannot see its status.
HITS = """async ([url, times]) => {
  while (times) times -= await fetch(url).then((answer) => answer.ok, () => false);
}"""
BUTTON = "<button onclick=\"fetch('{server}/hit/{key}')\">Count</button>"


def open_counter(context: BrowserContext, stage: Stage, key: str, *servers: str) -> Page:
    """Open a page of the site that hears these servers in turn, and counts at the first.

    Its script comes from the last.
    """
    button = BUTTON.format(server=servers[0], key=key)
    path = f"/page{len(stage.pages)}"
    stage.pages[path] = page_of(servers[-1], key, " ".join(servers), button)
    return open_page(context, stage.site + path)


def count(page: Page, times: int) -> None:
    """Press the button of a page."""
    for _ in range(times):
        with page.expect_response(lambda answer: "/hit/" in answer.url):
            page.get_by_role("button").click()


def test_what_two_visitors_count_at_two_nodes_both_see_and_keep_when_one_node_is_killed(
    chromium: Browser, stage: Stage
) -> None:
    one, two, three = (stage.url(name) for name in ("n1", "n2", "n3"))
    with chromium.new_context() as here, chromium.new_context() as there:
        mine = open_counter(here, stage, "site/two", one, two, three)
        yours = open_counter(there, stage, "site/two", two, three, one)
        count(mine, 2)
        count(yours, 3)
        expect_live(mine, "5")
        expect_live(yours, "5")

        with mine.expect_request(lambda sent: sent.url.startswith(f"{two}/v1/stream")):
            stage.do(stage.cluster.kill, "n1")
        count(yours, 1)
        expect_live(mine, "6")
        before = len(shown_by(mine))
        mine.reload()
        expect_live(mine, "6")
        assert shown_by(mine)[before:] == [6]
        for page in (mine, yours):
            assert shown_by(page) == sorted(shown_by(page))
        stage.do(stage.cluster.start, "n1")
        stage.do(stage.cluster.ready)


def test_a_reload_at_a_node_that_is_behind_shows_no_less(chromium: Browser, stage: Stage) -> None:
    url, balancer = stage.switch("n1")
    with chromium.new_context() as context:
        page = open_counter(context, stage, "site/stale", url)
        expect_live(page, "0")
        stage.count("n3", "site/stale", 2)
        expect_live(page, "2")
        for other in ("n1", "n2"):
            stage.now(stage.cluster.cut, other, "n3")
        stage.count("n1", "site/stale", 5)
        expect_live(page, "7")

        stage.now(balancer.move, stage.cluster.find("n3").http_port)
        before = len(shown_by(page))
        page.reload()
        expect_live(page, "7")
        assert stage.ask("n3", "GET", "/get/site/stale") == {"value": 2}
        stage.count("n3", "site/stale", 1)
        expect_live(page, "8")
        assert shown_by(page)[before:] == [7, 8]
        stage.now(stage.cluster.heal)
        stage.until("n3", "/get/site/stale", lambda said: said["value"] == 8)
        stage.count("n3", "site/stale", 1)
        expect_live(page, "9")
        assert shown_by(page) == sorted(shown_by(page))


def test_tabs_share_a_stream_which_outlives_the_tab_that_crashed(
    chromium: Browser, stage: Stage
) -> None:
    server = stage.url("n2")
    many = "".join(
        f"<gcounter-value key='crowd{number}'></gcounter-value>" for number in range(300)
    )
    stage.pages["/many"] = page_of(server, "site/tabs", more=many)
    stage.pages["/one"] = page_of(server, "site/tabs")
    counts = {"site/tabs": 4, **{f"crowd{number}": number + 1 for number in range(300)}}
    stage.ask("n2", "POST", "/v1/counters", json.dumps({"counts": counts}).encode())
    with chromium.new_context() as context:
        first = open_page(context, stage.site + "/many")
        expect_live(first, "4")
        expect(first.locator(f"{VALUE}[data-state=live]")).to_have_count(301)
        expect(first.locator(VALUE).last).to_have_text("300")

        second = context.new_page()
        asked = streams_of(second)
        second.goto(stage.site + "/one")
        expect_live(second, "4")
        assert asked == []
        with second.expect_request(re.compile("/v1/stream")) as stream:
            crash(first)
        assert stream.value.url == f"{server}/v1/stream?key={quote('site/tabs', safe='')}"
        stage.count("n1", "site/tabs", 1)
        expect_live(second, "5")


def crash(page: Page) -> None:
    """End the process of a page without a word."""
    with page.expect_event("crash"), suppress(Error):
        page.goto("chrome://crash", wait_until="commit")


def test_no_digit_is_lost_above_what_scripts_count_exactly(chromium: Browser, stage: Stage) -> None:
    # A node refuses what would pass 2^53 as it sees it; these two do not see each other.
    stage.now(stage.cluster.cut, "n1", "n3")
    stage.now(stage.cluster.cut, "n2", "n3")
    for name, value in (("n1", 2**53), ("n3", 2**53 - 1)):
        body = json.dumps({"key": "huge", "value": value}).encode() + b"\n"
        stage.ask(name, "POST", f"/v1/imports?source=what+{name}+had", body)
    stage.now(stage.cluster.heal)
    with chromium.new_context() as context:
        stage.pages["/huge"] = page_of(stage.url("n1"), "huge")
        page = open_page(context, stage.site + "/huge")
        expect_live(page, "18,014,398,509,481,983")


def test_the_three_lines_of_the_tutorial_count_and_show_visits(
    chromium: Browser, stage: Stage, tmp_path: Path
) -> None:
    lines = first_page_of("docs/tutorial/first-cluster.md")
    assert lines.count("\n") == 3
    saved = tmp_path / "page.html"
    saved.write_text(lines.replace("http://127.0.0.1:7781", stage.url("n1")))
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(saved.as_uri())
        expect_live(page, "1")
        page.reload()
        expect_live(page, "2")
        stage.count("n2", "my-site/front-page", 1)
        expect_live(page, "3")
        assert page.inner_text("p") == "Visits: 3"


def test_the_pages_of_the_how_tos_do_what_they_say(chromium: Browser, stage: Stage) -> None:
    visits = first_page_of("docs/how-to/count-visits.md")
    number = first_page_of("docs/how-to/show-a-live-number.md")
    stage.pages["/visits"] = visits.replace("http://127.0.0.1:7781", stage.url("n1"))
    stage.pages["/number"] = number.replace("https://counts.example.org", stage.url("n2"))
    stage.count("n3", "my-site/front-page", 1)
    before = stage.ask("n3", "GET", "/get/my-site/front-page")["value"]
    stage.until("n1", "/get/my-site/front-page", lambda said: said["value"] == before)
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(stage.site + "/visits")
        expect(page.locator("#visits")).to_have_text(str(before + 1))
        page.goto(stage.site + "/number")
        expect_live(page, str(before + 1))


def first_page_of(document: str) -> str:
    """Return the first block of HTML that a document shows."""
    (block, *_) = re.findall(r"^```html\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)
    return str(block)


@pytest.mark.parametrize("program", ["haproxy", "nginx"])
def test_behind_a_balancer_number_and_dashboard_go_on_whichever_node_is_gone(
    chromium: Browser, stage: Stage, program: str
) -> None:
    if find_program(program) is None:
        pytest.skip(f"{program} is not installed")
    url = stage.balance(program)
    key = f"site/{program}"
    with chromium.new_context() as context, dashboards.dashboard(chromium, url) as dashboard:
        page = open_counter(context, stage, key, url)
        visit(page, f"{url}/hit/{key}", 9)
        expect_live(page, "9")
        target = f"/v1/counters/{quote(key, safe='')}?by_node=true"
        said = stage.until("n1", target, lambda said: said["value"] == 9)
        assert len(said["by_node"]) == 3
        for gone in ("n1", "n2", "n3"):
            stage.do(stage.cluster.kill, gone)
            before = shown_by(page)[-1]
            visit(page, f"{url}/hit/{key}", 2)
            expect_live(page, str(before + 2))
            stage.do(stage.cluster.start, gone)
            stage.do(stage.cluster.ready)
        assert shown_by(page) == sorted(shown_by(page))
        dashboards.expect_live(dashboard)
        expect(dashboard.locator("#total")).to_have_text(f"{stage.total('n1'):,}")


def visit(page: Page, url: str, times: int) -> None:
    """Count from a page until it was told so often that it was; a dead node's error is definite."""
    page.evaluate(HITS, [url, times])
