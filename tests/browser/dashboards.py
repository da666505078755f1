"""A dashboard in a browser: opened, moved in by keys, and held against rules.

Theory. Whatever a test does, nothing may go wrong beside it: an error of a script, a message of the
console, something that the page's policy forbids. All of these are noted from the first moment on,
and looked at at the end. This module refuses to know clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

RULES = (Path(__file__).parent / "rules.js").read_text()
# More controls than any page here has: who has pressed Tab so often will not get there.
TABS_MAX = 200
VIOLATIONS = """
globalThis.forbidden = [];
addEventListener("securitypolicyviolation", (event) => forbidden.push(event.violatedDirective));
"""
FOCUS = """() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
  const hasOutline = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  const isMarked = hasOutline || boxShadow !== "none";
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const isSeen = right > 0 && bottom > 0 && left < innerWidth && top < innerHeight;
  const name = element.id || element.getAttribute("aria-label") || element.textContent.trim();
  return [name, isMarked && isSeen, element === document.body];
}"""


@contextmanager
def dashboard(chromium: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open a dashboard until the end of the block; nothing may have gone wrong in it then."""
    with chromium.new_context(**options) as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.add_init_script(VIOLATIONS)
        page.goto(url)
        yield page
        if options.get("java_script_enabled", True):
            wrong += page.evaluate("globalThis.forbidden")
        # That a node is gone is no mistake of the page's.
        assert [text for text in wrong if "Failed to load resource" not in text] == []


def expect_live(page: Page) -> None:
    """Wait until a dashboard is told what happens."""
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#actions")).to_be_visible()


def go_to(page: Page, name: str) -> None:
    """Press Tab until what has this id or label has the focus; each step must be seen."""
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        at, is_seen, _ = page.evaluate(FOCUS)
        assert is_seen, f"where the focus is cannot be seen: {at}"
        if at == name:
            return
    raise AssertionError(f"{name} cannot be reached by the keyboard")


def broken_rules(page: Page) -> list[str]:
    """Return what keeps the page, as it is now, from being read and used by everybody."""
    found: list[str] = page.evaluate(RULES)
    return found


def too_wide(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(page.evaluate(wide))
