"""The dashboard in a real browser, at a real cluster: seen, used by keys, and without a script."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import pages
from tests.browser.dashboards import broken_rules, dashboard, expect_live, go_to, too_wide
from tests.browser.stage import Stage

pytestmark = pytest.mark.slow

# Over the wire until the page is whole and live, scripts included.
FIRST_BYTES_MAX = 50_000
PHONE, DESK = {"width": 320, "height": 640}, {"width": 1440, "height": 900}


@pytest.fixture(scope="module", autouse=True)
def _counted(stage: Stage) -> None:
    """Let every node have counted, so that there is something to be seen."""
    for number, name in enumerate(stage.cluster.nodes, 1):
        counts = {"site/home": 1000 * number, f"site/{name}": number, "<b>&": 7}
        stage.ask(name, "POST", "/v1/counters", json.dumps({"counts": counts}).encode())
    stage.until("n1", "/v1/counters/site%2Fhome", lambda said: said["value"] == 6000)


def row_of(page: Page, name: str) -> Locator:
    """Return a node's row."""
    head = page.get_by_role("rowheader").filter(has_text=re.compile(rf"^{name}( \(this node\))?$"))
    return page.locator("#node-rows tr").filter(has=head)


def test_without_a_script_all_of_it_can_be_read(chromium: Browser, stage: Stage) -> None:
    with dashboard(chromium, stage.url("n1"), java_script_enabled=False) as page:
        for name in ("n1", "n2", "n3"):
            expect(row_of(page, name)).to_contain_text("alive")
        expect(page.locator("#total")).to_have_text(f"{stage.total('n1'):,}")
        expect(page.locator("#top-rows tr").first).to_contain_text("site/home")
        expect(page.locator("#top-rows")).to_contain_text("<b>&")
        expect(page.locator("#actions")).to_be_hidden()
        expect(page.locator("noscript p")).to_be_visible()
        assert broken_rules(page) == []


def test_what_a_browser_loads_is_little(chromium: Browser, stage: Stage) -> None:
    with dashboard(chromium, stage.url("n1")) as page:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
        page.reload()
        expect_live(page)
        assert len(sizes) > 3
        assert sum(sizes) <= FIRST_BYTES_MAX


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_everybody_can_read_and_use_it(
    chromium: Browser, stage: Stage, scheme: str, size: dict[str, int]
) -> None:
    with dashboard(chromium, stage.url("n1"), color_scheme=scheme, viewport=size) as page:
        expect_live(page)
        assert broken_rules(page) == []
        assert too_wide(page) == 0
        for button in ("Drain…", "Remove n3"):
            page.get_by_role("button", name=button).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            assert broken_rules(page) == []
            assert too_wide(page) == 0
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_be_hidden()


def test_views_are_sent_to_a_chosen_node_by_keys_alone(chromium: Browser, stage: Stage) -> None:
    with dashboard(chromium, stage.url("n1")) as page:
        expect_live(page)
        before = stage.total("n1")
        go_to(page, "send-count")
        page.keyboard.press("Control+a")
        page.keyboard.type("41")
        go_to(page, "send-key")
        page.keyboard.press("Control+a")
        page.keyboard.type("site/sent")
        go_to(page, "send-node")
        page.keyboard.type("n2")
        go_to(page, "Send…")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_contain_text(
            "41 views are counted in site/sent at n2"
        )
        go_to(page, "dialog-yes")
        page.keyboard.press("Enter")
        expect(page.locator("#send-said")).to_have_text("site/sent is 41 at n2")
        expect(page.locator("#total")).to_have_text(f"{before + 41:,}")
        said = stage.ask("n1", "GET", "/v1/counters/site%2Fsent?by_node=true")
        assert said["by_node"] == {"n2": 41}


def test_a_random_load_counts_what_it_says_and_can_be_stopped(
    chromium: Browser, stage: Stage
) -> None:
    with dashboard(chromium, stage.url("n1")) as page:
        expect_live(page)
        before = stage.total("n1")
        page.get_by_role("spinbutton", name="Views per second").fill("100")
        page.get_by_role("spinbutton", name="For seconds").fill("600")
        page.get_by_role("button", name="Start…").click()
        page.locator("#dialog-yes").click()
        said = page.locator("#load-said")
        expect(said).to_have_text(re.compile(r"^[1-9]\d* counted"))
        page.get_by_role("button", name="Stop").click()
        skipped = "; [0-9]+ not sent, since nodes were busy"
        expect(said).to_have_text(re.compile(rf"^Done: \d+ counted({skipped})?\.$"))
        counted = int(re.findall(r"\d+", said.inner_text())[0])
        expect(page.locator("#total")).to_have_text(f"{before + counted:,}")


def test_a_node_is_drained_and_undrained_by_keys_alone(chromium: Browser, stage: Stage) -> None:
    with dashboard(chromium, stage.url("n1")) as page:
        expect_live(page)
        go_to(page, "drain")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")  # on Cancel, where the focus is at first
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.keyboard.press("Enter")
        go_to(page, "dialog-yes")
        page.keyboard.press("Enter")
        expect(page.locator("#drain-said")).to_have_text("n1 takes no views, and stays a member.")
        expect(page.locator("#ready")).to_contain_text("not ready")
        answer = stage.do(stage.cluster.ask, "n1", "POST", "/v1/counters/site%2Fhome")
        assert (answer.status, answer.definite()) == (503, True)
        page.locator("#drain").press("Enter")
        go_to(page, "dialog-yes")
        page.keyboard.press("Enter")
        expect(page.locator("#drain-said")).to_have_text("n1 takes views.")
        stage.count("n1", "site/home", 1)


def test_it_says_who_is_gone_and_goes_on_when_its_own_node_is_back(
    chromium: Browser, stage: Stage
) -> None:
    with dashboard(chromium, stage.url("n1")) as page:
        expect_live(page)
        stage.do(stage.cluster.kill, "n2")
        expect(row_of(page, "n2")).to_contain_text("dead")
        expect(page.locator("#convergence")).to_contain_text("n2")
        stage.do(stage.cluster.kill, "n1")
        expect(page.locator("#live")).to_contain_text("not live")
        assert broken_rules(page) == []
        for name in ("n1", "n2"):
            stage.do(stage.cluster.start, name)
        stage.do(stage.cluster.ready)
        expect_live(page)
        for name in ("n1", "n2", "n3"):
            expect(row_of(page, name)).to_contain_text("alive")


def test_a_node_is_removed_by_keys_alone_and_no_page_shows_its_counts_twice(
    chromium: Browser, stage: Stage
) -> None:
    before = stage.total("n1")
    stage.pages["/home"] = pages.page_of(stage.url("n2"), "site/home")
    home = stage.ask("n2", "GET", "/get/site/home")["value"]
    with dashboard(chromium, stage.url("n1")) as page, chromium.new_context() as context:
        visitor = pages.open_page(context, stage.site + "/home")
        pages.expect_live(visitor, f"{home:,}")
        expect_live(page)
        go_to(page, "Remove n3")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog.locator("#remove-plan li").first).to_contain_text("n3")
        expect(dialog.locator("#dialog-yes")).to_be_enabled()
        go_to(page, "dialog-yes")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("heading")).to_have_text("n3 is removed")
        assert broken_rules(page) == []
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(row_of(page, "n3")).to_have_count(0)
        expect(page.locator("#removals")).to_contain_text("n3 is removed")
        expect(page.locator("#total")).to_have_text(f"{before:,}")

        stage.count("n1", "site/home", 1)
        pages.expect_live(visitor, f"{home + 1:,}")
        assert pages.shown_by(visitor) == [home, home + 1]
        visitor.reload()
        pages.expect_live(visitor, f"{home + 1:,}")
        assert pages.shown_by(visitor) == [home, home + 1, home + 1]
        removed = stage.cluster.find("n3")
        assert removed.process is not None
        stage.do(removed.process.wait)
        assert removed.state == "removed"
