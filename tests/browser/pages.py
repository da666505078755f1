"""Pages of visitors: what they hold, what they have shown, and what they ask for.

Theory. A page notes each number that it shows, from its first moment on, so that a test can say
that it never fell, and not only that it ends right. This module refuses to know clusters.
"""

from __future__ import annotations

from html import escape

from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

# What a page has shown, in order, as digits; kept over reloads, which are what it is about.
NOTES = """
addEventListener("gcounter-change", (event) => {
  const shown = JSON.parse(sessionStorage.shown ?? "[]");
  shown.push(String(event.detail.value));
  sessionStorage.shown = JSON.stringify(shown);
});
"""
VALUE = "gcounter-value"


def page_of(script: str, key: str, servers: str = "", more: str = "") -> str:
    """Return a page that shows a counter, with the script of that server."""
    ns, _, rest = key.partition("/") if "/" in key else ("", "", key)
    told = f'ns="{escape(ns)}" key="{escape(rest)}"'
    told += f' servers="{escape(servers)}"' if servers else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(key)}</title>
<link rel="icon" href="data:,">
<script type="module" src="{script}/gcounter.js"></script>
<p><gcounter-value {told}>-</gcounter-value></p>{more}</html>"""


def open_page(context: BrowserContext, url: str) -> Page:
    """Open a page that takes notes."""
    page = context.new_page()
    page.add_init_script(NOTES)
    page.goto(url)
    return page


def value_of(page: Page) -> Locator:
    """Return the first number of a page."""
    return page.locator(VALUE).first


def expect_live(page: Page, text: str) -> None:
    """Wait until a page shows this, and hears a node."""
    expect(value_of(page)).to_have_attribute("data-state", "live")
    expect(value_of(page)).to_have_text(text)


def shown_by(page: Page) -> list[int]:
    """Return all numbers that a page has shown."""
    return [int(text) for text in page.evaluate("JSON.parse(sessionStorage.shown ?? '[]')")]


def streams_of(page: Page) -> list[Request]:
    """Return the streams that a page asks for from now on, as they come."""
    found: list[Request] = []
    page.on("request", lambda sent: found.append(sent) if "/v1/stream" in sent.url else None)
    return found
