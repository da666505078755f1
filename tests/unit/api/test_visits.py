"""Who is a visitor, and which page is meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcounterd.api.requests import Request
from gcounterd.api.visits import is_visit, name_page, read_page
from gcounterd.errors import ClientError

PHONE = b"Mozilla/5.0 (Linux; Android 12; CUBOT KINGKONG) AppleWebKit/537.36 Chrome/120 Mobile"
PROGRAMS = (
    b"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    b"Mozilla/5.0 (compatible; bingbot/2.0)",
    b"facebookexternalhit/1.1",
    b"Baiduspider",
    b"Mozilla/5.0 HeadlessChrome/120.0",
    b"curl/8.5.0",
    b"python-requests/2.31",
    b"DiscordBot (link preview)",
)
PEOPLE = (
    PHONE,
    b"Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
    b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
    b"",
)


def asked(method: bytes = b"GET", **headers: bytes) -> Request:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return Request(method, b"/hit/a/b", named, b"")


@pytest.mark.parametrize("agent", PROGRAMS)
def test_a_program_counts_unless_the_page_leaves_programs_out(agent: bytes) -> None:
    assert is_visit(asked(user_agent=agent), {})
    assert not is_visit(asked(user_agent=agent), {"bots": [b"ignore"]})


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_count_in_any_case(agent: bytes) -> None:
    assert is_visit(asked(user_agent=agent), {"bots": [b"ignore"]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sec_purpose", b"prefetch"),
        ("sec_purpose", b"prefetch;prerender"),
        ("purpose", b"prefetch"),
        ("x_purpose", b"preview"),
        ("x_moz", b"Prefetch"),
    ],
)
def test_what_is_fetched_before_anybody_looks_is_no_visit(name: str, value: bytes) -> None:
    assert not is_visit(asked(**{name: value}), {})


def test_a_head_is_no_visit_and_a_beacon_is_one() -> None:
    assert not is_visit(asked(b"HEAD"), {})
    assert is_visit(asked(b"POST"), {})


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/blog/a",
        "http://www.example.org/blog/a/",
        "HTTPS://Example.ORG.:443/blog/a?x=1#top",
        "example.org/blog/a#top",
        "https://me:secret@example.org/blog/a",
        "https://example.org/blog/%61",
    ],
)
def test_links_to_one_page_are_one_page(url: str) -> None:
    assert name_page(url) == b"example.org/blog/a"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org", b"example.org"),
        ("https://example.org/", b"example.org"),
        ("https://example.org/a@b", b"example.org/a@b"),
        ("https://www.example/", b"example"),
        ("http://localhost:4000/caf%C3%A9", "localhost/café".encode()),
        ("http://[::1]:80/a", b"[::1]/a"),
        ("https://example.org/%FF", b"example.org/%FF"),
        ("https://example.org/a%252Fb", b"example.org/a%2Fb"),
    ],
)
def test_a_page_is_its_host_and_its_path(url: str, name: bytes) -> None:
    assert name_page(url) == name


@pytest.mark.parametrize(
    "url", ["", "file:///a", "about:blank", "a b", "https://", "/a", "ftp://a", "http://./"]
)
def test_what_is_no_page_is_refused(url: str) -> None:
    with pytest.raises(ClientError) as refused:
        name_page(url)
    assert refused.value.code == "bad_page"


def page_or_refusal(url: str) -> str:
    try:
        return name_page(url).decode()
    except ClientError as error:
        return error.code


@given(st.text() | st.from_regex(r"https?://[a-z.]*(/[a-z%0-9/]*)?", fullmatch=True))
def test_any_text_is_a_page_or_refused_and_what_is_a_page_names_itself(url: str) -> None:
    name = page_or_refusal(url)
    assert name
    if "%" not in name and name.isascii():
        assert page_or_refusal(f"https://www.{name}/?x#y") in (name, "bad_page", "bad_key")


def test_the_address_given_comes_before_the_referer() -> None:
    referred = asked(referer=b"https://example.org/a")
    assert read_page(referred, {}) == b"example.org/a"
    assert read_page(referred, {"url": [b"https://example.org/b"]}) == b"example.org/b"
