"""Text of strangers, made safe to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gcounterd.daemon.printable import cut, escape


@given(st.text())
def test_what_is_escaped_prints_and_what_prints_is_left_alone(text: str) -> None:
    assert escape(text).isprintable()
    if text.isprintable():
        assert escape(text) == text


def test_escapes_are_readable() -> None:
    assert escape("a\n\x1b[0m\x9b\u202e\udc80é") == "a\\n\\x1b[0m\\x9b\\u202e\\udc80é"


def test_short_text_is_not_cut_and_long_text_says_how_much_is_missing() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc… (1 more)"
