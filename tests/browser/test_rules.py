"""The rules that pages are held against: each finds what it is for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.dashboards import broken_rules
from tests.browser.screenshots import DOCS, PICTURES, size_of

GOOD = """<!doctype html><html lang="en"><title>Good</title><main><h1>One</h1><h2>Two</h2>
<label for="a">Name</label> <input id="a"> <button>Do it</button> <a href="#b">Go</a>
<table><caption>Numbers</caption><thead><tr><th scope="col">Key</th><th scope="col">Count</th></tr>
</thead><tbody><tr><th scope="row">x</th><td>1</td></tr></tbody></table>
<ul><li id="b">item</li></ul></main></html>"""


@pytest.fixture(scope="module")
def blank(chromium: Browser) -> Iterator[Page]:
    """Return a page for all tests."""
    with chromium.new_context() as context:
        yield context.new_page()


@pytest.mark.parametrize(
    ("good", "bad", "found"),
    [
        (' lang="en"', "", "does not say its language"),
        ("<title>Good</title>", "", "has no title"),
        ("<main>", "<div>", "exactly one main"),
        ('<label for="a">Name</label>', "Name", '<input#a> "": has no name'),
        ("Do it", "", "has no name"),
        ("<button>", '<button tabindex="2">', "out of the order of tabs"),
        ("h1>", "h3>", "exactly one h1"),
        ("h2>", "h3>", "follows a heading of level 1"),
        ('th scope="row"', "th", "does not say of what it is the head"),
        ("<td>1</td>", "", "has 1 cells of 2"),
        ("<caption>Numbers</caption>", "", "a table without a name"),
        ("<li id", "<div></div><li id", "in a list and no item of it"),
        ('id="b"', 'id="a"', "two elements are #a"),
        ("<li ", '<li aria-labelledby="none" ', "names #none"),
        ("<li ", '<li style="color: #888" ', "has a contrast of 3.54"),
        ("<li ", '<li style="color: #fff6; background: #000" ', "has a contrast of 3."),
        ("<ul>", '<ul role="region" tabindex="0">', "has no name"),
        ("<ul>", "<dialog open>text</dialog><ul>", "a dialog without a name"),
        ("<ul>", '<ul style="width: 9px; overflow-x: auto">', "scrolls, and not by the keyboard"),
    ],
)
def test_each_rule_finds_what_breaks_it(blank: Page, good: str, bad: str, found: str) -> None:
    assert good in GOOD
    blank.set_content(GOOD.replace(good, bad))
    broken = broken_rules(blank)
    assert [text for text in broken if found in text], broken


def test_nothing_is_found_where_nothing_is_wrong(blank: Page) -> None:
    blank.set_content(GOOD)
    assert broken_rules(blank) == []
    blank.set_content(GOOD.replace("<li ", '<li style="color: #767676" '))  # 4.54, just enough
    assert broken_rules(blank) == []


def test_the_pictures_in_the_documents_are_as_wide_as_they_say() -> None:
    assert {name: size_of(DOCS / name)[0] for name in PICTURES} == {
        name: width for name, (width, _, _) in PICTURES.items()
    }
